package alert

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// NoticeKind says what a message is about.
type NoticeKind string

// The kinds of message.
const (
	NoticeAlert      NoticeKind = "alert"      // a rule fired
	NoticeEscalation NoticeKind = "escalation" // nobody acknowledged an alert in time
	NoticeResolve    NoticeKind = "resolve"    // the issue of an earlier alert is resolved
	NoticeDigest     NoticeKind = "digest"     // several alerts
	NoticePersonal   NoticeKind = "personal"   // somebody did something that concerns the reader
	NoticeDisabled   NoticeKind = "disabled"   // a destination was switched off
	NoticeReport     NoticeKind = "report"     // what happened in the week
	NoticeTest       NoticeKind = "test"       // a sample, sent by hand
)

// NoticeSeed is what is stored of a message until it is rendered.
type NoticeSeed struct {
	Change issue.Change `json:"change"`
	Action Action       `json:"action"`
	Reason string       `json:"reason,omitempty"` // why a person gets it
	Topic  Topic        `json:"topic,omitempty"`  // what of, to be switched off; empty: TopicAlerts
	Report *Report      `json:"report,omitempty"` // of NoticeReport
}

// Notice is what a channel renders a message from.
type Notice struct {
	Delivery int64
	Kind     NoticeKind
	Rule     Rule
	Action   Action
	Change   issue.Change
	Detail   Detail
	Digest   *Digest // of NoticeDigest
	Report   *Report // of NoticeReport
	Reason   string  // why a person gets it
	BaseURL  string  // of this installation, without a trailing slash
	// Interactive is where buttons of the destination's chat post to; empty: it has none.
	Interactive bool
	Members     []Person // whom the issue can be given to
	Unsubscribe string   // address that stops messages like this one to the person; empty: none
	To          string   // address of the person; empty: the destination's own
}

// Person is somebody an issue can be given to.
type Person struct {
	ID   int64
	Name string
}

// Detail is what an alert tells beyond the change.
type Detail struct {
	Message  string // of the event, when the title does not say it
	Frame    string // "shop/cart.go:12 in add", the innermost frame of the program itself
	Code     string // the line of source there
	Tags     [][2]string
	Commit   string // that is suspected
	Previous string // release before Change.Release in which the issue was not seen
}

// Digest is what happened while alerts were held back.
type Digest struct {
	Alerts  int // how many were folded
	Total   int // issues they are about
	From    time.Time
	To      time.Time
	Issues  []DigestIssue // those with most events, then most users, first
	Changes []DigestChange
	Quiet   bool // they waited for the end of quiet hours
	Project string
}

// DigestChange is to how many issues of a digest something happened; of several things that did, the
// first of DigestChanges counts.
type DigestChange struct {
	Kind   issue.ChangeKind
	Issues int
}

// DigestChanges are the changes in the order in which they matter to who reads of many.
var DigestChanges = []issue.ChangeKind{issue.ChangeNew, issue.ChangeRegressed, issue.ChangeEscalating, issue.ChangeReappeared, issue.ChangeInRelease,
	issue.ChangeInEnvironment, issue.ChangePriority, issue.ChangeSeen, issue.ChangeUnresolved, issue.ChangeAssigned, issue.ChangeUnassigned,
	issue.ChangeCommented, issue.ChangeResolved, issue.ChangeArchived}

// MaxDigestIssues is how many issues a digest lists by name.
const MaxDigestIssues = 10

// DigestIssue is one issue of a digest.
type DigestIssue struct {
	ID          int64
	ShortID     string
	Title       string
	Culprit     string
	Level       string
	Rule        string // name of a rule that fired
	Change      issue.ChangeKind
	Alerts      int
	TimesSeen   int64
	UserCount   int64
	FirstSeen   time.Time
	Release     string
	Environment string
}

// IssueURL is the page of the issue.
func (n *Notice) IssueURL() string { return n.PageOf(n.Change.ShortID) }

// PageOf is the page of an issue of the organization.
func (n *Notice) PageOf(shortID string) string {
	return n.BaseURL + "/o/" + n.Change.Org + "/issues/" + shortID
}

// RuleURL is the page of the rule; empty when no rule asked.
func (n *Notice) RuleURL() string {
	if n.Rule.ID == 0 {
		return ""
	}
	return n.BaseURL + "/o/" + n.Change.Org + "/alerts/" + itoa(n.Rule.ID)
}

// Test reports whether the message is a sample.
func (n *Notice) Test() bool { return n.Kind == NoticeTest }

// Sample is a change that never happened, for tests sent by hand.
func Sample(project int64, org, slug, name string, now time.Time) issue.Change {
	return issue.Change{
		Kind: issue.ChangeNew, Flags: issue.Flags{IsNew: true}, Project: project, ProjectSlug: slug, ProjectName: name, Org: org,
		ShortID: "SAMPLE-1", Title: "SampleError: this is a test of an alert rule", Culprit: "sample.handler",
		Type: "error", Level: "error", Platform: "other", Release: "sample@1.0.0", Environment: "production",
		EventID: "00000000000000000000000000000000", FirstSeen: now, LastSeen: now, TimesSeen: 1, UserCount: 1, At: now,
	}
}

// SampleDetail goes with Sample.
func SampleDetail() Detail {
	return Detail{Frame: "sample/handler.go:42 in Serve", Code: "return errors.New(\"this is a test of an alert rule\")",
		Tags: [][2]string{{"browser", "Firefox 145"}, {"environment", "production"}}}
}
