package view

import "strings"

// Level is an event's severity.
type Level struct{ Word string } // fatal, error, warning, info, debug, sample

// Badge is a state to show: its word, and the class that colours it.
type Badge struct{ Word, Class string }

// words is a name of the protocol for people: "rate_limited" is "rate limited".
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }
