package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Message is what a notice says, in plain texts that are short, valid and on one line each. How
// they are escaped is the channel's matter.
type Message struct {
	Subject  string // the whole in one line: "SHOP-1: new issue in Shop: ValueError: boom"
	What     string // "New issue in Shop"
	Title    string // of the issue, or of the digest
	TitleURL string
	Culprit  string
	Text     string // what there is to say before the facts; may have several lines
	Code     string // "shop/cart.go:12 in add" and the line of source
	Facts    []Fact
	Items    []Item // of a digest or report
	Footer   []Fact // project, rule, short id; with addresses
	Notes    string // added by the rule
	Level    string
	Color    string // "#f43f20"
	ShortID  string
	Project  string
	At       time.Time
	Test     bool
}

// Fact is a label and its text; URL, when it is not empty, leads on.
type Fact struct{ Label, Text, URL string }

// Item is one issue of several.
type Item struct{ Title, URL, Text string }

// Colours by level.
// Rule: getsentry/sentry src/sentry/integrations/messaging (LEVEL_TO_COLOR)
var colors = map[string]string{"debug": "#cfd3da", "info": "#2788ce", "warning": "#f18500", "error": "#f43f20", "fatal": "#d20f2a"}

const resolvedColor = "#1a6e37"

// maxTitle bounds a title, maxFact one fact, in bytes.
const (
	maxTitle = 400
	maxFact  = 300
	maxText  = 1500
)

// Compose puts a notice into words.
func Compose(n *alert.Notice) Message {
	if n.Kind == alert.NoticeDigest {
		return composeDigest(n)
	}
	if n.Kind == alert.NoticeReport && n.Report != nil {
		return composeReport(n)
	}
	c := &n.Change
	m := Message{
		What: what(n), Title: Line(c.Title, maxTitle), TitleURL: n.IssueURL(), Culprit: Line(c.Culprit, maxFact), Level: c.Level,
		ShortID: Line(c.ShortID, 100), Project: Line(c.ProjectName, 100), At: c.At, Test: n.Test(), Notes: Block(n.Action.Notes, maxText),
		Color: colors[c.Level], Text: Block(n.Reason, maxText),
	}
	if m.Color == "" {
		m.Color = colors["error"]
	}
	if n.Kind == alert.NoticeResolve {
		m.Color = resolvedColor
	}
	if c.Text != "" && c.Kind == issue.ChangeCommented {
		m.Text = strings.TrimSpace(m.Text + "\n" + Block(c.Text, maxText))
	} else if n.Detail.Message != "" && !strings.Contains(c.Title, n.Detail.Message) {
		m.Text = strings.TrimSpace(m.Text + "\n" + Block(n.Detail.Message, maxText))
	}
	m.Code = code(&n.Detail)
	m.Facts = facts(n)
	m.Footer = footer(n)
	m.Subject = Line(m.ShortID+": "+lowerFirst(m.What)+": "+m.Title, maxTitle)
	if m.Test {
		m.Subject = "[Test] " + m.Subject
	}
	return m
}

// what says in a few words what happened.
func what(n *alert.Notice) string {
	in := " in " + Line(n.Change.ProjectName, 100)
	switch n.Kind {
	case alert.NoticeEscalation:
		return "Nobody acknowledged an alert" + in
	case alert.NoticeResolve:
		return "Resolved" + in
	case alert.NoticeDisabled:
		return "A destination was switched off"
	}
	c := &n.Change
	switch c.Kind {
	case issue.ChangeNew:
		return "New issue" + in
	case issue.ChangeRegressed:
		return "Regression" + in
	case issue.ChangeReappeared:
		return "Back from the archive" + in
	case issue.ChangeEscalating:
		return "Escalating" + in
	case issue.ChangeInRelease:
		return "Now also in release " + Line(c.Release, 100) + in
	case issue.ChangeInEnvironment:
		return "Now also in environment " + Line(c.Environment, 100) + in
	case issue.ChangeResolved:
		return "Resolved" + in
	case issue.ChangeAssigned:
		return "Assigned" + in
	case issue.ChangeCommented:
		return "Comment" + in
	case issue.ChangePriority:
		return "Priority " + c.Priority + in
	case issue.ChangeSeen:
		if text := Line(n.Rule.Happening(), 100); text != "" {
			return strings.ToUpper(text[:1]) + text[1:] + in
		}
		return "Seen again" + in
	}
	return "Changed" + in
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func code(d *alert.Detail) string {
	if d.Frame == "" {
		return ""
	}
	text := Line(d.Frame, maxFact)
	if line := Line(d.Code, maxFact); line != "" {
		text += "\n    " + line
	}
	return text
}

// facts says since when, whom it hits and what changed.
func facts(n *alert.Notice) []Fact {
	c := &n.Change
	var list []Fact
	add := func(label, text string) {
		if text = Line(text, maxFact); text != "" {
			list = append(list, Fact{Label: label, Text: text})
		}
	}
	if !c.FirstSeen.IsZero() {
		add("Since", since(c.FirstSeen, c.At))
	}
	add("Events", strconv.FormatInt(c.TimesSeen, 10))
	if c.UserCount > 0 {
		add("Users affected", strconv.FormatInt(c.UserCount, 10))
	}
	add("State", c.Substatus)
	add("Priority", c.Priority)
	add("Environment", c.Environment)
	add("Release", c.Release)
	if n.Detail.Previous != "" {
		add("Not seen before", "in "+n.Detail.Previous)
	}
	add("Suspect commit", n.Detail.Commit)
	for _, key := range n.Action.Tags {
		for _, t := range n.Detail.Tags {
			if strings.EqualFold(strings.TrimSpace(key), t[0]) {
				add(t[0], t[1])
			}
		}
	}
	return list
}

// since tells a moment and how long before at it was.
func since(first, at time.Time) string {
	text := first.UTC().Format("2006-01-02 15:04 UTC")
	if d := at.Sub(first); d >= time.Minute {
		text += " (" + Span(d) + ")"
	}
	return text
}

// Span is a duration in its largest unit: "3 days".
func Span(d time.Duration) string {
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}
	for _, u := range units {
		if n := int64(d / u.of); n > 0 {
			return Counted(n, u.name)
		}
	}
	return "0 seconds"
}

// Counted is a number with its noun, in the plural where it needs one.
func Counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func footer(n *alert.Notice) []Fact {
	c := &n.Change
	list := []Fact{{"Project", Line(c.ProjectName, 100), n.BaseURL + "/o/" + c.Org + "/projects/" + c.ProjectSlug}}
	if n.Rule.ID != 0 && n.Rule.Name != "" {
		list = append(list, Fact{"Alert", Line(n.Rule.Name, 100), n.RuleURL()})
	}
	return append(list, Fact{"Short ID", Line(c.ShortID, 100), n.IssueURL()})
}

func composeDigest(n *alert.Notice) Message {
	d := n.Digest
	project := Line(n.Change.ProjectName, 100)
	m := Message{
		Title: fmt.Sprintf("%d more issues in %s", d.Total, project), Text: brought(d.Changes), Level: "error", Color: colors["error"], Project: project,
		TitleURL: n.BaseURL + "/o/" + n.Change.Org + "/issues?project=" + n.Change.ProjectSlug, At: d.To,
		What: Counted(int64(d.Alerts), "alert") + " " + stretch(d.From.UTC(), d.To.UTC()),
	}
	if d.Quiet { // nothing of it was told before
		m.Title = fmt.Sprintf("%d issues in %s", d.Total, project)
		m.What += ", held back by quiet hours"
	}
	for _, i := range d.Issues {
		text := strings.TrimSpace(fmt.Sprintf("%s · %s", changeWord(i.Change), Counted(i.TimesSeen, "event")))
		if i.UserCount > 0 {
			text += " · " + Counted(i.UserCount, "user")
		}
		if i.Release != "" {
			text += " · " + Line(i.Release, 80)
		}
		m.Items = append(m.Items, Item{Line(i.ShortID+" "+i.Title, maxFact), n.PageOf(i.ShortID), text})
	}
	if rest := d.Total - len(d.Issues); rest > 0 {
		m.Text = strings.TrimSpace(m.Text + fmt.Sprintf(" The %s seen most are listed; %d more are on the issue list.", Counted(int64(len(d.Issues)), "issue"), rest))
	}
	m.Footer = []Fact{{"Project", project, n.BaseURL + "/o/" + n.Change.Org + "/projects/" + n.Change.ProjectSlug},
		{"Alerts", "history", n.BaseURL + "/o/" + n.Change.Org + "/alerts/history?digest=" + strconv.FormatInt(n.Delivery, 10)}}
	m.Subject = Line(m.Title+" ("+m.What+")", maxTitle)
	return m
}

// brought says what happened to how many of a digest's issues: "298 are new, 1 was seen again."
func brought(list []alert.DigestChange) string {
	var parts []string
	for _, c := range list {
		verb := map[bool]string{true: "is", false: "are"}[c.Issues == 1]
		parts = append(parts, fmt.Sprintf("%d %s %s", c.Issues, verb, becomes(c.Kind)))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

// becomes is what an issue is after a change.
func becomes(k issue.ChangeKind) string {
	switch k {
	case issue.ChangeRegressed, issue.ChangeReappeared, issue.ChangeUnresolved:
		return "back"
	case issue.ChangeInRelease:
		return "in a further release"
	case issue.ChangeInEnvironment:
		return "in a further environment"
	case issue.ChangePriority:
		return "of another priority"
	case issue.ChangeSeen:
		return "going on"
	}
	return string(k)
}

// stretch says when something happened.
func stretch(from, to time.Time) string {
	first, last := from.Format("15:04"), to.Format("15:04")
	switch {
	case first == last && to.Sub(from) < time.Minute:
		return "at " + first + " UTC"
	case from.YearDay() != to.YearDay():
		return "between " + from.Format("2 Jan 15:04") + " and " + to.Format("2 Jan 15:04") + " UTC"
	}
	return "between " + first + " and " + last + " UTC"
}

// changeWord is one word for what happened to an issue.
func changeWord(k issue.ChangeKind) string {
	switch k {
	case issue.ChangeInRelease:
		return "new release"
	case issue.ChangeInEnvironment:
		return "new environment"
	case issue.ChangeSeen:
		return "seen again"
	}
	return string(k)
}

// Plain is the message as plain text.
func (m *Message) Plain() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", m.What)
	line("%s", m.Title)
	if m.Culprit != "" {
		line("at %s", m.Culprit)
	}
	if m.Text != "" {
		line("\n%s", m.Text)
	}
	if m.Code != "" {
		line("\n%s", m.Code)
	}
	if len(m.Facts) > 0 {
		b.WriteByte('\n')
	}
	for _, f := range m.Facts {
		line("%s: %s", f.Label, f.Text)
	}
	if len(m.Items) > 0 {
		b.WriteByte('\n')
	}
	for _, i := range m.Items {
		line("* %s\n  %s\n  %s", i.Title, i.Text, i.URL)
	}
	if m.Notes != "" {
		line("\n%s", m.Notes)
	}
	line("\n%s", m.TitleURL)
	for _, f := range m.Footer {
		line("%s: %s", f.Label, f.Text)
	}
	return b.String()
}
