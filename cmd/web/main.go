// Command web serves the pages and the API.
package main

import (
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/web"
)

func main() { app.Main("web", "127.0.0.1:9004", web.Run) }
