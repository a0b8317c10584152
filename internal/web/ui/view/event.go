package view

import (
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
	User        []Field
	Others      string // address of the other issues of the user
	Breadcrumbs []Crumb
	Tags        []Tag
	Contexts    []Block
	Flags       []Pair
	Extra       []Field
	Packages    []Pair
	Notes       []Note
	Removed     []Note // what scrubbing took away
	Feedback    []Words
	Files       []File
	Highlights  []Highlight
	Tree        []TreeLine // of a group of exceptions
	Controls    []Control  // of the traces
	Unresolved  []Note     // why frames stayed as they arrived
	Doctor      string     // address of what says why; empty: nothing is looked up for its frames
	Thread      string     // the one whose trace is drawn
	Href        string     // of the event's page; exports are below it
}

// EventOptions is what NewEvent needs besides the event.
type EventOptions struct {
	ReceivedAt time.Time
	TagHref    func(key, value string) string // address of a search for a tag
	Look       StackLook
	Open       []string // frames that the address opens, such as "f-0-17"
	Thread     string   // id of the thread to draw; empty: the one that crashed, else the current
	Href       string   // of the event's page; empty: there is none, and everything is drawn at once
	// With is the address of the page with one parameter changed; nil when it cannot change.
	With func(name, value string) string
}

// Message is a log line.
type Message struct {
	Text     string
	Template string
	Params   string
}

// Thread is one thread; the one that is Shown has its trace.
type Thread struct {
	ID    string
	Name  string
	Marks []string
	Stack Stack
	Shown bool
}

// label is the thread in a list to choose from.
func (t *Thread) label() string {
	text := "#" + t.ID
	if t.Name != "" {
		text += " " + cutText(t.Name, 60)
	}
	if len(t.Marks) > 0 {
		text += " (" + strings.Join(t.Marks, ", ") + ")"
	}
	return text
}

// Highlight is a fact worth seeing first.
type Highlight struct{ Name, Value, Href string }

// Control is a choice of how traces are drawn; each choice is an address.
type Control struct {
	Label   string
	Choices []Link
}

// Tag is a tag with the search that finds its like.
type Tag struct {
	Key, Value string
	Href       string
	Without    string // address of the search for issues that lack it
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

// NewEvent prepares an event.
func NewEvent(ev *event.Event, o EventOptions) *Event {
	v := &Event{
		ID: ev.ID.String(), Timestamp: ev.Timestamp, ReceivedAt: o.ReceivedAt, Href: o.Href,
		Level: LevelOf(ev.Level), Platform: ev.Platform, Release: ev.Release, Dist: ev.Dist,
		Environment: ev.Environment, Server: ev.ServerName, Transaction: ev.Transaction, Logger: ev.Logger,
	}
	if d := o.ReceivedAt.Sub(ev.Timestamp); !ev.Timestamp.IsZero() && (d > time.Minute || d < -time.Minute) {
		v.Skew = offset(o.ReceivedAt, ev.Timestamp)
	}
	if ev.SDK != nil {
		v.SDK = strings.TrimSpace(ev.SDK.Name + " " + ev.SDK.Version)
	}
	vs := &values{meta: ev.Meta}
	v.traces(ev, vs, o)
	v.Message = message(ev.LogEntry)
	v.Security = vs.fields("csp", ev.Security)
	v.Request = request(vs, ev.Request)
	v.User = user(vs, ev.User)
	v.Breadcrumbs = breadcrumbs(vs, ev)
	for _, t := range ev.Tags {
		v.Tags = append(v.Tags, Tag{Key: t.Key, Value: t.Value, Href: o.TagHref(t.Key, t.Value)})
	}
	v.Contexts, v.Flags = contexts(vs, ev.Contexts), flags(ev.Context("flags"))
	v.Extra = vs.fields("extra", ev.Extra)
	for _, m := range ev.Modules {
		v.Packages = append(v.Packages, Pair{Key: m.Key, Value: m.Value})
	}
	v.Notes, v.Removed = notes(ev)
	v.Highlights = highlights(ev, o.TagHref)
	return v
}

// traces adds everything that has frames.
func (v *Event) traces(ev *event.Event, vs *values, o EventOptions) {
	b := &stacks{values: vs, look: o.Look, event: ev, open: make(map[string]bool, len(o.Open))}
	for _, id := range o.Open {
		b.open[id] = true
	}
	if o.Href != "" {
		b.bodies = o.Href + "/frames/"
	}
	v.Exceptions = b.exceptions()
	v.Tree = tree(v.Exceptions)
	if len(v.Exceptions) == 0 {
		v.Stack = b.stack(ev.Stacktrace, "stacktrace", "s0", -1)
	}
	v.threads(b, o.Thread)
	v.Unresolved = unresolved(ev)
	if o.With != nil {
		v.Controls = controls(ev, o)
	}
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

// threads lists the threads and draws one: the one asked for, else the first of those that crashed,
// are current or have a trace. When exceptions have told what crashed, none is drawn unasked.
func (v *Event) threads(b *stacks, asked string) {
	ev, shown, rank := b.event, -1, 0
	for i := range ev.Threads {
		t := &ev.Threads[i]
		one := Thread{ID: t.ID, Name: t.Name}
		r := 0
		for _, m := range [...]struct {
			is   *bool
			word string
			rank int
		}{{t.Crashed, "crashed", 3}, {t.Current, "current", 2}, {t.Main, "main", 0}} {
			if m.is != nil && *m.is {
				one.Marks = append(one.Marks, m.word)
				r = max(r, m.rank)
			}
		}
		if t.State != "" {
			one.Marks = append(one.Marks, t.State)
		}
		if t.Stacktrace != nil && len(t.Stacktrace.Frames) > 0 {
			r++
		}
		if asked != "" && t.ID == asked {
			r = 10
		}
		if r > rank {
			shown, rank = i, r
		}
		v.Threads = append(v.Threads, one)
	}
	if shown < 0 || len(ev.Exceptions) > 0 && rank < 10 {
		return
	}
	t := &v.Threads[shown]
	t.Shown, v.Thread = true, t.ID
	path := "threads.values." + Long0(shown)
	if raw := ev.Threads[shown].RawStacktrace; raw != nil && b.look.Version == "raw" {
		t.Stack = b.stack(raw, path+".raw_stacktrace", "q"+Long0(shown), -1)
		return
	}
	t.Stack = b.stack(ev.Threads[shown].Stacktrace, path+".stacktrace", "t"+Long0(shown), -1)
}

func user(vs *values, u *event.User) []Field {
	if u == nil {
		return nil
	}
	var list []Field
	for _, p := range []Pair{
		{"id", u.ID}, {"username", u.Username}, {"name", u.Name}, {"email", u.Email},
		{"ip_address", u.IPAddress}, {"segment", u.Segment},
	} {
		at := Field{Name: strings.ReplaceAll(p.Key, "_", " "), Value: textValue(p.Value)}
		if r, ok := vs.meta["user."+p.Key]; ok {
			at.Value.remark(r)
		}
		if p.Value != "" || at.Value.Scrubbed {
			list = append(list, at)
		}
	}
	if len(u.Geo) > 0 {
		var parts []string
		for _, g := range pairsOf(u.Geo) {
			parts = append(parts, g.Value)
		}
		list = append(list, Field{"place", textValue(strings.Join(parts, ", "))})
	}
	return append(list, vs.fields("user", u.Data)...)
}

// contextTitles are how well-known contexts are called.
var contextTitles = map[string]string{
	"os": "Operating system", "app": "Application", "gpu": "Graphics", "cloud_resource": "Cloud resource", "culture": "Culture",
}

func contexts(vs *values, list []event.Context) []Block {
	blocks := make([]Block, 0, len(list))
	for _, c := range list {
		if c.Name == "flags" && len(flags(c.Data)) > 0 {
			continue // they have a section of their own
		}
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
			b.Fields = append(b.Fields, Field{Name: m.Name, Value: vs.at("contexts."+c.Name+"."+m.Name, m.Value)})
		}
		if len(b.Fields) > 0 {
			blocks = append(blocks, b)
		}
	}
	return blocks
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
	add("highlights", "Highlights", len(v.Highlights))
	add("exception", plural(len(v.Exceptions), "Exception", "Exceptions"), len(v.Exceptions))
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
	add("flags", "Flags", len(v.Flags))
	add("feedback", "Feedback", len(v.Feedback))
	add("attachments", "Attachments", len(v.Files))
	add("extra", "Extra", len(v.Extra))
	add("packages", "Packages", len(v.Packages))
	add("notes", "Processing", len(v.Notes)+len(v.Removed))
	return list
}
