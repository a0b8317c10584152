package api

import (
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// entry is one part of an event's page.
type entry struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// entries are the parts of an event in the order they are shown.
// Rule: getsentry/sentry src/sentry/interfaces/base.py (DEFAULT_DISPLAY_SCORE and its overrides)
func entries(e *event.Event) []entry {
	list := []entry{}
	add := func(kind string, data any) { list = append(list, entry{kind, data}) }
	if len(e.Exceptions) > 0 {
		add("exception", exceptions(e))
	}
	if e.Stacktrace != nil {
		add("stacktrace", stack(e.Stacktrace))
	}
	if e.LogEntry != nil {
		add("message", object{"formatted": message(e), "message": maybe(e.LogEntry.Message), "params": raw(e.LogEntry.Params)})
	}
	if t := e.Template; t != nil {
		add("template", object{"filename": t.Filename, "absPath": t.AbsPath, "lineNo": t.Lineno,
			"context": sourceContext(t.Lineno, t.PreContext, &t.ContextLine, t.PostContext)})
	}
	if len(e.Threads) > 0 {
		add("threads", object{"values": threads(e.Threads)})
	}
	if len(e.Security) > 0 {
		add(kindOf(e), rawObject(e.Security))
	}
	if len(e.Breadcrumbs) > 0 {
		add("breadcrumbs", object{"values": breadcrumbs(e.Breadcrumbs)})
	}
	if e.Request != nil {
		add("request", httpRequest(e.Request))
	}
	if images := e.DebugMeta.Get("images"); len(images) > 0 && string(images) != "null" {
		add("debugmeta", object{"images": raw(images)})
	}
	return list
}

type exceptionShape struct {
	Type          *string     `json:"type"`
	Value         *string     `json:"value"`
	Module        *string     `json:"module"`
	ThreadID      *string     `json:"threadId"`
	Mechanism     *object     `json:"mechanism"`
	Stacktrace    *stackShape `json:"stacktrace"`
	RawStacktrace *stackShape `json:"rawStacktrace"`
}

func exceptions(e *event.Event) object {
	values, system := make([]exceptionShape, len(e.Exceptions)), false
	for i := range e.Exceptions {
		x := &e.Exceptions[i]
		values[i] = exceptionShape{Type: maybe(x.Type), Value: maybe(x.Value), Module: maybe(x.Module), ThreadID: maybe(x.ThreadID),
			Mechanism: mechanism(x.Mechanism), Stacktrace: stack(x.Stacktrace), RawStacktrace: stack(x.RawStacktrace)}
		system = system || values[i].Stacktrace != nil && values[i].Stacktrace.HasSystemFrames
	}
	return object{"values": values, "hasSystemFrames": system, "excOmitted": nil}
}

func mechanism(m *event.Mechanism) *object {
	if m == nil {
		return nil
	}
	o := object{"type": m.Type, "handled": m.Handled}
	for k, v := range map[string]string{"description": m.Description, "help_link": m.HelpLink, "source": m.Source} {
		if v != "" {
			o[k] = v
		}
	}
	if m.Synthetic != nil {
		o["synthetic"] = *m.Synthetic
	}
	if m.IsExceptionGroup != nil {
		o["is_exception_group"] = *m.IsExceptionGroup
	}
	if m.ExceptionID != nil {
		o["exception_id"] = *m.ExceptionID
	}
	if m.ParentID != nil {
		o["parent_id"] = *m.ParentID
	}
	if len(m.Data) > 0 {
		o["data"] = rawObject(m.Data)
	}
	if len(m.Meta) > 0 {
		o["meta"] = rawObject(m.Meta)
	}
	return &o
}

type stackShape struct {
	Frames          []frameShape `json:"frames"`
	FramesOmitted   raw          `json:"framesOmitted"`
	Registers       raw          `json:"registers"`
	HasSystemFrames bool         `json:"hasSystemFrames"`
}

type frameShape struct {
	Filename        *string  `json:"filename"`
	AbsPath         *string  `json:"absPath"`
	Module          *string  `json:"module"`
	Package         *string  `json:"package"`
	Platform        *string  `json:"platform"`
	Function        *string  `json:"function"`
	RawFunction     *string  `json:"rawFunction"`
	Symbol          *string  `json:"symbol"`
	LineNo          *int     `json:"lineNo"`
	ColNo           *int     `json:"colNo"`
	InApp           bool     `json:"inApp"`
	Context         [][2]any `json:"context"`
	Vars            raw      `json:"vars"`
	InstructionAddr *string  `json:"instructionAddr"`
	SymbolAddr      *string  `json:"symbolAddr"`
	AddrMode        *string  `json:"addrMode"`
	Trust           *string  `json:"trust"`
	Errors          []any    `json:"errors"`
	SourceLink      *string  `json:"sourceLink"`
	Map             *string  `json:"map,omitempty"`
	Lock            raw      `json:"lock"`
}

func stack(st *event.Stacktrace) *stackShape {
	if st == nil {
		return nil
	}
	shape := &stackShape{Frames: make([]frameShape, len(st.Frames)), FramesOmitted: raw(st.FramesOmitted), Registers: maybeObject(st.Registers)}
	ours, theirs := false, false
	for i := range st.Frames {
		f := &st.Frames[i]
		inApp := f.InApp != nil && *f.InApp
		ours, theirs = ours || inApp, theirs || !inApp
		shape.Frames[i] = frameShape{
			Filename: maybe(f.Filename), AbsPath: maybe(f.AbsPath), Module: maybe(f.Module), Package: maybe(f.Package), Platform: maybe(f.Platform),
			Function: maybe(f.Function), RawFunction: maybe(f.RawFunction), Symbol: maybe(f.Symbol), LineNo: maybe(f.Lineno), ColNo: maybe(f.Colno),
			InApp: inApp, Context: sourceContext(f.Lineno, f.PreContext, f.ContextLine, f.PostContext), Vars: maybeObject(f.Vars),
			InstructionAddr: maybe(f.InstructionAddr), SymbolAddr: maybe(f.SymbolAddr), AddrMode: maybe(f.AddrMode), Trust: maybe(f.Trust),
			Errors: []any{}, SourceLink: maybe(f.SourceLink), Map: maybe(f.Data.Sourcemap), Lock: raw(f.Lock),
		}
	}
	shape.HasSystemFrames = ours && theirs
	return shape
}

// sourceContext numbers the lines around the one that was executed; none without it.
// Rule: getsentry/sentry src/sentry/interfaces/stacktrace.py (get_context)
func sourceContext(lineno int, before []string, line *string, after []string) [][2]any {
	lines := [][2]any{}
	if line == nil || lineno <= 0 {
		return lines
	}
	for i, text := range before {
		if n := lineno - len(before) + i; n > 0 {
			lines = append(lines, [2]any{n, text})
		}
	}
	lines = append(lines, [2]any{lineno, *line})
	for i, text := range after {
		lines = append(lines, [2]any{lineno + 1 + i, text})
	}
	return lines
}

func threads(list []event.Thread) []object {
	out := make([]object, len(list))
	for i := range list {
		t := &list[i]
		out[i] = object{"id": t.ID, "name": maybe(t.Name), "current": is(t.Current), "crashed": is(t.Crashed), "state": maybe(t.State),
			"heldLocks": raw(t.HeldLocks), "stacktrace": stack(t.Stacktrace), "rawStacktrace": stack(t.RawStacktrace)}
	}
	return out
}

func is(b *bool) bool { return b != nil && *b }

func breadcrumbs(list []event.Breadcrumb) []object {
	out := make([]object, len(list))
	for i := range list {
		c := &list[i]
		level, kind := c.Level.String(), c.Type
		if level == "" {
			level = event.LevelInfo.String()
		}
		if kind == "" {
			kind = "default"
		}
		var at *time.Time
		if !c.Timestamp.IsZero() {
			at = new(utc(c.Timestamp))
		}
		out[i] = object{"timestamp": at, "type": kind, "category": maybe(c.Category), "level": level, "message": maybe(c.Message),
			"data": maybeObject(c.Data), "event_id": maybe(c.EventID)}
	}
	return out
}

func httpRequest(q *event.Request) object {
	var url *string // clients read it as a URL: absolute or absent
	if strings.Contains(q.URL, "://") {
		url = &q.URL
	}
	return object{"url": url, "method": maybe(q.Method), "query": pairs(q.Query), "fragment": maybe(q.Fragment), "data": raw(q.Data),
		"headers": pairs(q.Headers), "cookies": pairs(q.Cookies), "env": maybeObject(q.Env), "inferredContentType": maybe(q.InferredContentType),
		"apiTarget": maybe(q.APITarget)}
}

func pairs(list []event.Pair) [][2]string {
	out := make([][2]string, len(list))
	for i, p := range list {
		out[i] = [2]string{p.Key, p.Value}
	}
	return out
}
