package view

import "time"

// AlertsPage is a project's alert rule and its delivery log.
type AlertsPage struct {
	Project    Project
	Action     string // where the forms go
	Rule       RuleForm
	Deliveries []Delivery
	States     []Link // filters of the log
	Next       string // older entries
	Detail     *Delivery
	Attempts   []Attempt
}

// RuleForm is the project's rule as its form shows it.
type RuleForm struct {
	Exists      bool
	Target      string // what may be shown of the stored address
	URL         string // typed before, when it was refused
	Enabled     bool
	Environment string
	LastFired   *time.Time
	Problem     string
	Secret      string // shown once, when it was made
	Others      int    // further rules made through the API
}

// Delivery is one alert on its way.
type Delivery struct {
	ID        string
	Href      string
	State     Badge
	What      string
	IssueHref string
	Target    string
	Reason    string
	Attempts  int
	CreatedAt time.Time
	NextAt    *time.Time
	CanRetry  bool
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number   int
	At       time.Time
	Took     string
	Status   string
	Error    string
	Response string
}

// AlertsIndex lists the projects with what their rules do.
type AlertsIndex struct{ Rows []AlertsRow }

// AlertsRow is one project's alerting in a line.
type AlertsRow struct {
	Name, Href string
	Sentence   string
	Enabled    bool
	LastFired  *time.Time
}

// AccountPage is the reader's own settings.
type AccountPage struct {
	Name, Email string
	Themes      []Choice
	Densities   []Choice
	Zone        string
	Problem     string
	Password    string // what is wrong with a new password
	Saved       bool
	KeysOff     bool
}
