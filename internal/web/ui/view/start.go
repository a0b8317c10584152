package view

import "time"

// StartPage sets a project up.
type StartPage struct {
	Project  Project
	DSN      string // empty: no key works
	Envelope string // address that takes envelopes, with the key
	PollHref string // answers with Arrivals
	Snippets []Snippet
	Answer   Arrivals
}

// Arrivals is what of a project arrived last, and what was refused of late.
type Arrivals struct {
	Title   string    `json:"title,omitempty"`
	ShortID string    `json:"shortId,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Next    string    `json:"next,omitempty"` // address of the newest event
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is why items were refused, and how many.
type Refusal struct {
	Words string `json:"words"`
	Count int64  `json:"count"`
}

// Snippet is how one SDK is set up.
type Snippet struct {
	ID      string
	Name    string
	Group   string
	Install string
	Code    string
	Maps    string // how its source maps are uploaded; empty: it has none
	Current bool
}
