package mcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

type issueInput struct {
	Issue string `json:"issue" jsonschema:"short id (SHOP-1F2), id or address of the issue"`
	Event string `json:"event,omitempty" jsonschema:"latest, oldest, recommended or an event id; without one: recommended"`
}

// eventDoc is what of an event an assistant is shown.
type eventDoc struct {
	EventID, DateCreated, Platform, Title, Culprit string
	Message                                        string
	Tags                                           []struct{ Key, Value string }
	User                                           map[string]any
	Contexts                                       map[string]any
	Context                                        map[string]any
	Entries                                        []struct {
		Type string
		Data json.RawMessage
	}
	Release *struct{ Version string }
}

// Bounds of an answer, so that it fits an assistant's window.
const (
	maxFrames     = 40
	maxVars       = 12
	maxCrumbs     = 20
	maxTagsShown  = 40
	maxExceptions = 6
)

func getIssue(c *call, in issueInput) (string, error) {
	path, err := c.issuePath(in.Issue)
	if err != nil {
		return "", err
	}
	var i issueRow
	if err := c.do(http.MethodGet, path, nil, nil, &i); err != nil {
		return "", err
	}
	e, err := c.event(path, in.Event)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n", i.ShortID, trim(i.Title, 300))
	assigned := "nobody"
	if i.AssignedTo != nil {
		assigned = i.AssignedTo.Name
	}
	fmt.Fprintf(&b, "- where: `%s` in project `%s`\n- state: %s, level %s, assigned to %s\n- seen: %s events, %d users, first %s, last %s\n- %s\n",
		trim(i.Culprit, 200), i.Project.Slug, state(i), i.Level, assigned, i.Count, i.UserCount, i.FirstSeen, i.LastSeen, i.Permalink)
	fmt.Fprintf(&b, "\nEvent `%s` of %s, platform %s", e.EventID, e.DateCreated, e.Platform)
	if e.Release != nil {
		fmt.Fprintf(&b, ", release `%s`", e.Release.Version)
	}
	b.WriteString(".\n")
	for _, entry := range e.Entries {
		writeEntry(&b, entry.Type, entry.Data)
	}
	writeFacts(&b, e)
	return b.String(), nil
}

// event reads one event of an issue.
func (c *call) event(path, which string) (e eventDoc, err error) {
	switch which = strings.ToLower(strings.TrimSpace(which)); {
	case which == "":
		which = "recommended"
	case which == "latest" || which == "oldest" || which == "recommended":
	case len(strings.ReplaceAll(which, "-", "")) == 32 && !strings.ContainsAny(which, "/?#."):
	default:
		return e, fault.New(fault.Invalid, "An event is latest, oldest, recommended or an id of 32 digits.")
	}
	return e, c.do(http.MethodGet, path+"events/"+which+"/", nil, nil, &e)
}

func writeEntry(b *strings.Builder, kind string, data json.RawMessage) {
	switch kind {
	case "exception":
		var d struct{ Values []exception }
		if json.Unmarshal(data, &d) == nil {
			writeExceptions(b, d.Values)
		}
	case "stacktrace":
		var st stack
		if json.Unmarshal(data, &st) == nil {
			b.WriteString("\n## Stack trace\n\n")
			writeFrames(b, st.Frames)
		}
	case "threads":
		var d struct {
			Values []struct {
				Name       *string
				Crashed    bool
				Stacktrace *stack
			}
		}
		if json.Unmarshal(data, &d) != nil {
			return
		}
		for _, t := range d.Values {
			if t.Crashed && t.Stacktrace != nil {
				b.WriteString("\n## Crashed thread\n\n")
				writeFrames(b, t.Stacktrace.Frames)
			}
		}
	case "message":
		var d struct{ Formatted, Message string }
		if json.Unmarshal(data, &d) == nil {
			text := d.Formatted
			if text == "" {
				text = d.Message
			}
			fmt.Fprintf(b, "\n## Message\n\n%s\n", fenced(trim(text, 4000)))
		}
	case "request":
		writeRequest(b, data)
	case "breadcrumbs":
		writeCrumbs(b, data)
	}
}

type exception struct {
	Type, Value, Module *string
	Mechanism           *struct {
		Type    string
		Handled *bool
	}
	Stacktrace *stack
}

type stack struct{ Frames []frame }

type frame struct {
	Filename, AbsPath, Module, Function *string
	LineNo, ColNo                       *int
	InApp                               bool
	Context                             [][2]any
	Vars                                map[string]any
}

// writeExceptions shows the last exception, the one that was thrown at the end, first.
func writeExceptions(b *strings.Builder, list []exception) {
	slices.Reverse(list)
	for n, x := range list[:min(len(list), maxExceptions)] {
		title := "Exception"
		if n > 0 {
			title = "Caused by, or raised while handling"
		}
		fmt.Fprintf(b, "\n## %s: %s\n\n%s\n", title, text(x.Type), fenced(trim(text(x.Value), 2000)))
		if x.Mechanism != nil && x.Mechanism.Handled != nil {
			fmt.Fprintf(b, "\nmechanism %s, handled: %t\n", x.Mechanism.Type, *x.Mechanism.Handled)
		}
		if x.Stacktrace != nil {
			b.WriteString("\nMost recent call first:\n\n")
			writeFrames(b, x.Stacktrace.Frames)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// writeFrames shows frames, most recent call first; those of libraries without their source.
func writeFrames(b *strings.Builder, frames []frame) {
	slices.Reverse(frames)
	for _, f := range frames[:min(len(frames), maxFrames)] {
		where := text(f.Filename)
		if where == "" {
			where = text(f.Module)
		}
		line := ""
		if f.LineNo != nil {
			line = fmt.Sprintf(":%d", *f.LineNo)
		}
		mark := ""
		if f.InApp {
			mark = " **(in app)**"
		}
		fmt.Fprintf(b, "- `%s` at `%s%s`%s\n", trim(text(f.Function), 200), trim(where, 300), line, mark)
		if !f.InApp {
			continue
		}
		if len(f.Context) > 0 {
			var src strings.Builder
			for _, l := range f.Context {
				n, _ := l[0].(float64)
				code, _ := l[1].(string)
				arrow := "  "
				if f.LineNo != nil && int(n) == *f.LineNo {
					arrow = "> "
				}
				fmt.Fprintf(&src, "%s%5d %s\n", arrow, int(n), trim2(code, 300))
			}
			b.WriteString(indent(fenced(strings.TrimRight(src.String(), "\n"))))
		}
		writeVars(b, f.Vars)
	}
	if more := len(frames) - maxFrames; more > 0 {
		fmt.Fprintf(b, "- … %d more frames\n", more)
	}
}

func writeVars(b *strings.Builder, vars map[string]any) {
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names[:min(len(names), maxVars)] {
		fmt.Fprintf(b, "  - `%s` = `%s`\n", trim(name, 80), code(oneLine(vars[name], 200)))
	}
}

// trim2 cuts a line of code and keeps its indentation.
func trim2(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") + "\n"
}

// fenced puts a text between fences that it cannot end itself.
func fenced(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + "\n" + s + "\n" + fence + "\n"
}

// code makes a text safe between single back quotes.
func code(s string) string { return strings.ReplaceAll(s, "`", "'") }

func oneLine(v any, limit int) string {
	s, isText := v.(string)
	if !isText {
		raw, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		s = string(raw)
	}
	return trim(strings.Join(strings.Fields(s), " "), limit)
}

func writeRequest(b *strings.Builder, data json.RawMessage) {
	var d struct {
		Method, URL string
		Query       any
		Data        any
		Headers     [][2]any
	}
	if json.Unmarshal(data, &d) != nil || d.URL == "" {
		return
	}
	fmt.Fprintf(b, "\n## Request\n\n`%s %s`\n", code(d.Method), code(trim(d.URL, 500)))
	for _, h := range d.Headers[:min(len(d.Headers), 20)] {
		fmt.Fprintf(b, "- %s: `%s`\n", oneLine(h[0], 80), code(oneLine(h[1], 200)))
	}
	if d.Data != nil {
		fmt.Fprintf(b, "- body: `%s`\n", code(oneLine(d.Data, 1000)))
	}
}

func writeCrumbs(b *strings.Builder, data json.RawMessage) {
	var d struct {
		Values []struct {
			Timestamp, Category, Level, Message *string
			Data                                any
		}
	}
	if json.Unmarshal(data, &d) != nil || len(d.Values) == 0 {
		return
	}
	b.WriteString("\n## Breadcrumbs, newest last\n\n")
	for _, c := range d.Values[max(0, len(d.Values)-maxCrumbs):] {
		fmt.Fprintf(b, "- %s %s %s: `%s`", text(c.Timestamp), text(c.Level), trim(text(c.Category), 60), code(oneLine(text(c.Message), 300)))
		if c.Data != nil {
			fmt.Fprintf(b, " `%s`", code(oneLine(c.Data, 200)))
		}
		b.WriteByte('\n')
	}
}

func writeFacts(b *strings.Builder, e eventDoc) {
	if len(e.Tags) > 0 {
		b.WriteString("\n## Tags\n\n")
		for _, t := range e.Tags[:min(len(e.Tags), maxTagsShown)] {
			fmt.Fprintf(b, "- %s: `%s`\n", trim(t.Key, 60), code(oneLine(t.Value, 200)))
		}
	}
	for title, m := range map[string]map[string]any{"Contexts": e.Contexts, "Extra": e.Context} {
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		sort.Strings(names)
		if len(names) > 0 {
			fmt.Fprintf(b, "\n## %s\n\n", title)
		}
		for _, name := range names[:min(len(names), 20)] {
			fmt.Fprintf(b, "- %s: `%s`\n", trim(name, 60), code(oneLine(m[name], 300)))
		}
	}
}

// whyGrouped tells the hashes of an issue and what of an event they come from.
func whyGrouped(c *call, in issueInput) (string, error) {
	path, err := c.issuePath(in.Issue)
	if err != nil {
		return "", err
	}
	var hashes []struct {
		ID          string
		LatestEvent map[string]any
	}
	if err := c.do(http.MethodGet, path+"hashes/", nil, nil, &hashes); err != nil {
		return "", err
	}
	e, err := c.event(path, in.Event)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Why the events of %s are one issue\n\nEvents whose grouping gives one of these hashes join it:\n\n", in.Issue)
	for _, h := range hashes {
		fmt.Fprintf(&b, "- `%s`\n", h.ID)
	}
	var info map[string]any
	if err := c.do(http.MethodGet, strings.TrimSuffix(path, "/")+"/events/"+e.EventID+"/grouping-info/", nil, nil, &info); err == nil {
		raw, err := json.MarshalIndent(info, "", "  ")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## What the hashes of event `%s` are made of\n\n%s", e.EventID, fenced(trim(string(raw), 12_000)))
		return b.String(), nil
	}
	fmt.Fprintf(&b, "\n## What event `%s` brings\n", e.EventID)
	for _, entry := range e.Entries {
		if entry.Type == "exception" || entry.Type == "message" || entry.Type == "stacktrace" {
			writeEntry(&b, entry.Type, entry.Data)
		}
	}
	b.WriteString("\nIn-app frames decide: their module or file and function, without line numbers and addresses; without any, the exception's type and message.\n")
	return b.String(), nil
}
