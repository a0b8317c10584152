package view

import "strconv"

// SettingsHead is what every page of a project's settings begins with.
type SettingsHead struct {
	Project  Project
	Tab      string // the last part of the page's address
	Action   string // where its forms go
	MayWrite bool
}

// ProjectTabs are the pages of a project's settings.
var ProjectTabs = []struct{ Path, Label string }{
	{"settings", "General"}, {"keys", "Keys and limits"}, {"filters", "Filters"}, {"privacy", "Privacy"}, {"grouping", "Grouping"}, {"ownership", "Ownership"},
	{"retention", "Retention"}, {"artifacts", "Source maps"}, {"debug-files", "Debug files"}, {"jobs", "Jobs"},
}

// isSetting reports whether a page belongs to a project's settings.
func isSetting(path string) bool {
	for _, t := range ProjectTabs {
		if t.Path == path {
			return true
		}
	}
	return false
}

// ProjectGeneralPage is what a project is called, and how it goes away.
type ProjectGeneralPage struct {
	SettingsHead
	Problem    string
	Platforms  []Choice
	ResolveAge int64    // hours; 0: never
	Elsewhere  []Choice // organizations that it may be given to
	MayDelete  bool
}

// NewProjectPage is a project to be.
type NewProjectPage struct {
	Action, Problem          string
	Name, Slug, Chosen, Team string
	Platforms, Teams         []Choice
}

// RetentionPage is which events of a project are kept.
type RetentionPage struct {
	SettingsHead
	Problem                    string
	Days, KeepFirst, KeepOneIn string // as they stand in the fields; empty: the default
}

// GroupingPage is how a project groups its events.
type GroupingPage struct {
	SettingsHead
	Versions     []Choice
	Pinned       bool
	Before       string // version whose hashes still find their issues; empty: none
	BeforeUntil  string
	Fingerprints RuleText
	Enhancements RuleText
	Problem      string // that belongs to no text
	Forecast     *GroupingForecast
	MayRegroup   bool
}

// RuleText is a text of rules and what is wrong with it.
type RuleText struct {
	Text    string
	Problem string
	Line    int    // of the problem; 0: it is about the whole
	Before  string // of the line, up to where it is wrong
	Rest    string
}

// GroupingForecast is what other rules would have made of stored events.
type GroupingForecast struct {
	Sentence      string
	Splits, Joins []Regrouped
}

// Regrouped is one issue that would be several, or several that would be one.
type Regrouped struct {
	Issues []Link
	Title  string // of what they would be together
	Events int
	Parts  []RegroupedPart
}

// RegroupedPart is events that would be together.
type RegroupedPart struct {
	Title, Where, Href string
	Events             int
}

// OwnershipPage is who owns what.
type OwnershipPage struct {
	SettingsHead
	Raw, CodeOwners         string
	RawProblem, FileProblem string
	Fallthrough             bool
	Assignments             []Choice
	Missing                 []string // owners of the file who are nobody here
	Sentence                string   // what a trial found
	Matches                 []OwnerMatch
	Tried                   bool
}

// OwnerMatch is a rule and whom it would give events to.
type OwnerMatch struct {
	Rule, Owners string
	Events       int
	Href         string // of one event
}

// hours is a number of hours as a field shows it; 0 is an empty one.
func hours(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
