// Command ingest answers SDK traffic: it authenticates, checks and queues what clients send.
package main

import (
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

func main() { app.Main("ingest", "127.0.0.1:9001", ingest.Run) }
