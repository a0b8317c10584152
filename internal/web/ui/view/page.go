package view

import (
	"time"
)

// Page is what every page has: its frame and its reader.
type Page struct {
	Title   string // of the document, before the product's name
	Section Section
	Keys    KeyScope // beside KeysEverywhere
	Viewer  *Viewer  // nil: nobody is signed in
	Look    Look
	Now     time.Time
	Notice  *Notice // what the last action did
	Crumbs  []Link  // above the heading; the last one is the page itself
	Nav     []NavItem
	Filters *Filters // nil: the page reads none
	Here    string   // address of this page
	Assets  Assets
}

// NavItem is one entry of the rail.
type NavItem struct {
	Section Section
	Label   string
	Href    string
	Cmd     string // that goes there; empty: none
}

// Filters are the frame's filters: which projects, environments and time a page is about.
type Filters struct {
	Action       string // where the choice is sent
	Projects     []Choice
	Environments []Choice
	Periods      []Choice
	From, To     string // of a range of one's own, as typed
	ProjectWords string // what is chosen, in a few words
	EnvironWords string
	PeriodWords  string
	Count        int // filters that restrict something
}

// Section is a part of the frame's navigation.
type Section string

// The sections.
const (
	SectionNone     Section = ""
	SectionIssues   Section = "issues"
	SectionProjects Section = "projects"
	SectionReleases Section = "releases"
	SectionAlerts   Section = "alerts"
	SectionCrons    Section = "crons"
	SectionStats    Section = "stats"
	SectionSettings Section = "settings"
	SectionAdmin    Section = "admin"
	SectionAccount  Section = "account"
)

// Viewer is who reads the page.
type Viewer struct {
	Name    string
	Email   string
	Org     string // slug
	OrgName string
	Orgs    []Link // all that they belong to, when there are several
	KeysOff bool   // single keys do nothing
}

// Look is how the reader wants pages to look; the zero value follows the system.
type Look struct {
	Theme   string // "", "light", "dark"
	Density string // "", "roomy"
	Zone    *time.Location
	Rail    string // "", "small"
}

// Themes, Densities and Rails are what Look accepts, with the words people read.
var (
	Themes    = []Choice{{Value: "", Label: "Follow the system"}, {Value: "light", Label: "Light"}, {Value: "dark", Label: "Dark"}}
	Densities = []Choice{{Value: "", Label: "Compact"}, {Value: "roomy", Label: "Roomy"}}
	Rails     = []Choice{{Value: "", Label: "With words"}, {Value: "small", Label: "Icons"}}
)

// class is the class of the root element.
func (l Look) class() string {
	c := "compact"
	if l.Density == "roomy" {
		c = "roomy"
	}
	if l.Theme == "light" || l.Theme == "dark" {
		c += " " + l.Theme
	}
	if l.Rail == "small" {
		c += " small-rail"
	}
	return c
}

func (l Look) zone() *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}

// Notice tells what an action did, and how to take it back.
type Notice struct {
	Text string
	Bad  bool
	Undo *Undo
	More *Link // where to read on; nil: nowhere
}

// Undo is the form that takes an action back.
type Undo struct {
	Action string // address of the form
	ID     string // of the change
	Back   string
}

// Link is an address with its words.
type Link struct {
	Label   string
	Href    string
	Count   string
	Current bool
}

// Choice is one option of a select.
type Choice struct {
	Value   string
	Label   string
	Current bool
}

// Assets are the addresses of the embedded files, which carry their hash.
type Assets struct{ Script, Style, Icon string }
