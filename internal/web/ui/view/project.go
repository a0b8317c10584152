package view

import "time"

// Project is a project as pages show it.
type Project struct {
	ID           string
	Slug         string
	Name         string
	Platform     string
	Href         string
	IssuesHref   string
	AlertsHref   string
	DSN          string
	FirstEventAt *time.Time
	Series       Series // accepted events, 24 hours
	Accepted     int64
	Dropped      int64
}

// ProjectsPage lists the projects.
type ProjectsPage struct {
	Projects []Project
	NewHref  string // form of a project to be; empty: the reader may make none
}

// ProjectPage is one project: how to report to it, and what became of what was reported.
type ProjectPage struct {
	Project  Project
	Keys     []ClientKey
	Outcomes []Outcome
	Waiting  bool // no event has come yet
	Top      []Row
	TopHref  string
}

// ClientKey is what a DSN carries.
type ClientKey struct {
	Label  string
	DSN    string
	Active bool
	Limit  string
}

// Outcome is what became of a number of items in the last day.
type Outcome struct {
	Word   string // accepted, filtered, rate limited, invalid
	Reason string
	What   string // category
	Count  int64
	Bad    bool
}
