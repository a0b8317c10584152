package view

import "time"

// KeysPage is who may report to a project, and how much.
type KeysPage struct {
	Project  Project
	Action   string
	Problem  string
	CanWrite bool
	Keys     []KeyRow
	Origins  string
	Quotas   []QuotaRow
	Windows  []Choice
}

// KeyRow is one client key.
type KeyRow struct {
	Public  string
	Label   string
	DSN     string
	Active  bool
	Created time.Time
	Count   string // of its limit; empty: none
	Window  string // seconds
	Windows []Choice
}

// QuotaRow is one quota of the project.
type QuotaRow struct {
	ID, What, Window, Scope, Reason string
	Limit                           int64
}

// quotaCategories are what a quota can be about.
var quotaCategories = []Choice{{Value: "error", Label: "errors"}, {Value: "transaction", Label: "transactions"}, {Value: "attachment", Label: "attachments, in bytes"},
	{Value: "session", Label: "sessions"}, {Value: "log_item", Label: "logs"}, {Value: "span", Label: "spans"}, {Value: "replay", Label: "replays"}, {Value: "monitor", Label: "check-ins"}}
