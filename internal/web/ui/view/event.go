package view

import (
	"sort"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Event is one occurrence, ready to draw.
type Event struct {
	ID          string
	Timestamp   time.Time
	ReceivedAt  time.Time
	Skew        string // how far the client's clock is off, when it matters
	Level       Level
	Platform    string
	Release     string
	Dist        string
	Environment string
	Server      string
	Transaction string
	Logger      string
	SDK         string

	Exceptions  []Exception
	Message     *Message
	Threads     []Thread
	Stack       Stack // of an event without exceptions
	Security    []Field
	Request     *Request
	User        []Pair
	Breadcrumbs []Crumb
	Tags        []Tag
	Contexts    []Block
	Extra       []Field
	Packages    []Pair
	Notes       []Note
	Feedback    []Words
	Files       []File
	Trace       string // exceptions as text
}

// Message is a log line.
type Message struct {
	Text     string
	Template string
	Params   string
}

// Thread is one thread with a trace.
type Thread struct {
	ID    string
	Name  string
	Marks []string
	Stack Stack
	Open  bool
}

// Tag is a tag with the search that finds its like.
type Tag struct {
	Key, Value string
	Href       string
}

// Block is a named group of facts.
type Block struct {
	Name   string
	Title  string
	Fields []Field
}

// Note is one thing that processing met and survived.
type Note struct {
	Field  string
	What   string
	Detail string
}

// EventSection names a part of the event page, for the index beside it.
type EventSection struct {
	ID, Title string
	Count     int
}

// NewEvent prepares an event. tagHref gives the address of a search for a tag.
func NewEvent(ev *event.Event, receivedAt time.Time, tagHref func(key, value string) string) *Event {
	v := &Event{
		ID: ev.ID.String(), Timestamp: ev.Timestamp, ReceivedAt: receivedAt,
		Level: LevelOf(ev.Level), Platform: ev.Platform, Release: ev.Release, Dist: ev.Dist,
		Environment: ev.Environment, Server: ev.ServerName, Transaction: ev.Transaction, Logger: ev.Logger,
	}
	if d := receivedAt.Sub(ev.Timestamp); !ev.Timestamp.IsZero() && (d > time.Minute || d < -time.Minute) {
		v.Skew = offset(receivedAt, ev.Timestamp)
	}
	if ev.SDK != nil {
		v.SDK = strings.TrimSpace(ev.SDK.Name + " " + ev.SDK.Version)
	}
	v.Exceptions = exceptions(ev)
	if len(v.Exceptions) > 0 {
		v.Trace = StackText(v.Exceptions)
	} else {
		v.Stack = stack(ev.Stacktrace, ev.Platform)
	}
	v.Message = message(ev.LogEntry)
	v.Threads = threads(ev)
	v.Security = fields(ev.Security)
	v.Request = request(ev.Request)
	v.User = user(ev.User)
	v.Breadcrumbs = breadcrumbs(ev)
	for _, t := range ev.Tags {
		v.Tags = append(v.Tags, Tag{Key: t.Key, Value: t.Value, Href: tagHref(t.Key, t.Value)})
	}
	v.Contexts = contexts(ev.Contexts)
	v.Extra = fields(ev.Extra)
	for _, m := range ev.Modules {
		v.Packages = append(v.Packages, Pair{Key: m.Key, Value: m.Value})
	}
	v.Notes = notes(ev)
	return v
}

// LevelOf gives a level its word; levels that nobody set count as errors, as on the wire.
func LevelOf(l event.Level) Level {
	switch {
	case l >= event.LevelFatal:
		return Level{"fatal"}
	case l >= event.LevelError || l == 0:
		return Level{"error"}
	case l >= event.LevelWarning:
		return Level{"warning"}
	case l >= event.LevelInfo:
		return Level{"info"}
	case l >= event.LevelDebug:
		return Level{"debug"}
	}
	return Level{"sample"}
}

func message(l *event.LogEntry) *Message {
	if l == nil {
		return nil
	}
	m := &Message{Text: first(l.Formatted, l.Message)}
	if l.Message != m.Text {
		m.Template = l.Message
	}
	if len(l.Params) > 0 {
		m.Params = cutText(compact(l.Params), 2000)
	}
	if m.Text == "" {
		return nil
	}
	return m
}

func threads(ev *event.Event) []Thread {
	var list []Thread
	for i := range ev.Threads {
		t := &ev.Threads[i]
		v := Thread{ID: t.ID, Name: t.Name, Stack: stack(t.Stacktrace, ev.Platform)}
		for _, m := range [...]struct {
			is   *bool
			word string
		}{{t.Crashed, "crashed"}, {t.Current, "current"}, {t.Main, "main"}} {
			if m.is != nil && *m.is {
				v.Marks = append(v.Marks, m.word)
			}
		}
		if t.State != "" {
			v.Marks = append(v.Marks, t.State)
		}
		v.Open = len(ev.Exceptions) == 0 && t.Crashed != nil && *t.Crashed
		if v.Stack.Frames > 0 || v.Name != "" {
			list = append(list, v)
		}
	}
	return list
}

func user(u *event.User) []Pair {
	if u == nil {
		return nil
	}
	var list []Pair
	for _, p := range []Pair{
		{"id", u.ID}, {"username", u.Username}, {"name", u.Name}, {"email", u.Email},
		{"ip address", u.IPAddress}, {"segment", u.Segment},
	} {
		if p.Value != "" {
			list = append(list, p)
		}
	}
	if len(u.Geo) > 0 {
		var parts []string
		for _, g := range pairsOf(u.Geo) {
			parts = append(parts, g.Value)
		}
		list = append(list, Pair{"place", strings.Join(parts, ", ")})
	}
	return append(list, pairsOf(u.Data)...)
}

// contextTitles are how well-known contexts are called.
var contextTitles = map[string]string{
	"os": "Operating system", "app": "Application", "gpu": "Graphics", "cloud_resource": "Cloud resource", "culture": "Culture",
}

func contexts(list []event.Context) []Block {
	blocks := make([]Block, 0, len(list))
	for _, c := range list {
		b := Block{Name: c.Name, Title: contextTitles[c.Name]}
		if b.Title == "" && c.Name != "" {
			b.Title = strings.ToUpper(c.Name[:1]) + strings.ReplaceAll(c.Name[1:], "_", " ")
			if c.Name[0] >= 0x80 {
				b.Title = c.Name
			}
		}
		for _, m := range c.Data {
			if m.Name == "type" && scalar(m.Value) == c.Name {
				continue
			}
			b.Fields = append(b.Fields, Field{Name: m.Name, Value: valueOf(m.Value)})
		}
		if len(b.Fields) > 0 {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// notes lists the processing errors and the remarks about single fields.
func notes(ev *event.Event) []Note {
	var list []Note
	told := make(map[string]bool) // the same problem may stand in both places
	for _, e := range ev.Errors {
		list = append(list, Note{Field: e.Name, What: strings.ReplaceAll(e.Type, "_", " "), Detail: cutText(compact(e.Value), 400)})
		told[e.Type+" "+e.Name] = true
	}
	var remarks []Note
	for path, m := range ev.Meta {
		for _, e := range m.Errors {
			if told[e.Kind+" "+path] {
				continue
			}
			detail := ""
			if len(m.Value) > 0 {
				detail = cutText(compact(m.Value), 400)
			}
			remarks = append(remarks, Note{Field: path, What: strings.ReplaceAll(e.Kind, "_", " "), Detail: detail})
		}
		for _, r := range m.Remarks {
			remarks = append(remarks, Note{Field: path, What: remarkWords(r), Detail: lengthWords(m.Length)})
		}
	}
	sort.Slice(remarks, func(i, j int) bool { return remarks[i].Field < remarks[j].Field })
	return append(list, remarks...)
}

func remarkWords(r event.Remark) string {
	switch r.Rule {
	case "!limit":
		return "cut to its limit"
	case "!config":
		return "changed by the settings"
	}
	switch r.Kind {
	case "x":
		return "removed by rule " + r.Rule
	case "m", "s", "p":
		return "replaced by rule " + r.Rule
	}
	return "noted by rule " + r.Rule
}

func lengthWords(n int) string {
	if n == 0 {
		return ""
	}
	return "was " + counted(n, "character", "characters")
}

// Sections lists what the event has, in the order of the page.
func (v *Event) Sections() []EventSection {
	var list []EventSection
	add := func(id, title string, n int) {
		if n > 0 {
			list = append(list, EventSection{id, title, n})
		}
	}
	add("exception", "Exception", len(v.Exceptions))
	if v.Message != nil {
		add("message", "Message", 1)
	}
	add("stack", "Stack", v.Stack.Frames)
	add("threads", "Threads", len(v.Threads))
	add("report", "Report", len(v.Security))
	if v.Request != nil {
		add("request", "Request", 1)
	}
	add("user", "User", len(v.User))
	add("breadcrumbs", "Breadcrumbs", len(v.Breadcrumbs))
	add("tags", "Tags", len(v.Tags))
	add("contexts", "Contexts", len(v.Contexts))
	add("extra", "Extra", len(v.Extra))
	add("packages", "Packages", len(v.Packages))
	add("notes", "Processing notes", len(v.Notes))
	return list
}
