// Command processor turns queued events into issues.
package main

import (
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/processor"
)

func main() { app.Main("processor", "127.0.0.1:9002", processor.Run) }
