// Command notifier turns changes of issues into alerts and delivers them.
package main

import (
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/notifier"
)

func main() { app.Main("notifier", "127.0.0.1:9003", notifier.Run) }
