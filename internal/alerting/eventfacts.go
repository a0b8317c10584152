// Package alerting reads what alert rules are held against, for the notifier, which fires them, and for
// previews, which say when they would have fired.
package alerting

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// EventFacts is an event as filters see it.
// Rule: getsentry/sentry src/sentry/rules/conditions/event_attribute.py
func EventFacts(row *postgres.EventRow) *alert.EventFacts {
	f := &alert.EventFacts{ID: row.ID.String(), Level: row.Level.String(), Release: row.Release, Environment: row.Environment, Tags: [][2]string{}}
	e := row.Event
	for _, t := range e.Tags {
		f.Tags = append(f.Tags, [2]string{t.Key, t.Value})
	}
	a := attributes{}
	m := e.Metadata()
	a.add("message", message(e), m.Title)
	a.add("platform", e.Platform)
	a.add("environment", e.Environment)
	a.add("type", string(e.Type))
	if u := e.User; u != nil {
		a.add("user.id", u.ID)
		a.add("user.email", u.Email)
		a.add("user.username", u.Username)
		a.add("user.ip_address", u.IPAddress)
	}
	if r := e.Request; r != nil {
		a.add("http.method", r.Method)
		a.add("http.url", r.URL)
	}
	if e.SDK != nil {
		a.add("sdk.name", e.SDK.Name)
	}
	a.exceptions(e)
	a.contexts(e)
	f.Attributes = a
	return f
}

type attributes map[string][]string

func (a attributes) add(name string, values ...string) {
	for _, v := range values {
		if v != "" {
			a[name] = append(a[name], v)
		}
	}
}

func (a attributes) exceptions(e *event.Event) {
	for i := range e.Exceptions {
		x := &e.Exceptions[i]
		a.add("exception.type", x.Type)
		a.add("exception.value", x.Value)
		if m := x.Mechanism; m != nil && m.Handled != nil {
			a.add("error.handled", strconv.FormatBool(*m.Handled))
			a.add("error.unhandled", strconv.FormatBool(!*m.Handled))
		}
		for _, t := range e.Threads {
			if t.Main != nil && x.ThreadID != "" && t.ID == x.ThreadID {
				a.add("error.main_thread", strconv.FormatBool(*t.Main))
			}
		}
		a.frames(x.Stacktrace)
	}
	a.frames(e.Stacktrace)
	for i := range e.Threads {
		a.frames(e.Threads[i].Stacktrace)
	}
}

func (a attributes) frames(s *event.Stacktrace) {
	if s == nil {
		return
	}
	for i := range s.Frames {
		f := &s.Frames[i]
		a.add("stacktrace.filename", f.Filename)
		a.add("stacktrace.abs_path", f.AbsPath)
		a.add("stacktrace.module", f.Module)
		a.add("stacktrace.package", f.Package)
		for _, lines := range [][]string{f.PreContext, f.PostContext} {
			a.add("stacktrace.code", lines...)
		}
		if f.ContextLine != nil {
			a.add("stacktrace.code", *f.ContextLine)
		}
	}
}

// contextAttributes are attributes that are members of contexts.
var contextAttributes = map[string][][2]string{
	"response":    {{"status_code", "http.status_code"}},
	"app":         {{"in_foreground", "app.in_foreground"}},
	"unreal":      {{"crash_type", "unreal.crash_type"}},
	"os":          {{"distribution_name", "os.distribution_name"}, {"distribution_version", "os.distribution_version"}},
	"ota_updates": {{"channel", "ota_updates.channel"}, {"runtime_version", "ota_updates.runtime_version"}, {"update_id", "ota_updates.update_id"}},
	"device": {{"screen_density", "device.screen_density"}, {"screen_dpi", "device.screen_dpi"},
		{"screen_height_pixels", "device.screen_height_pixels"}, {"screen_width_pixels", "device.screen_width_pixels"}},
}

func (a attributes) contexts(e *event.Event) {
	for _, c := range e.Contexts {
		for _, pair := range contextAttributes[c.Name] {
			a.add(pair[1], scalar(c.Data.Get(pair[0])))
		}
	}
	symbolicated := false
	for i := range e.Exceptions {
		if s := e.Exceptions[i].Stacktrace; s != nil {
			for j := range s.Frames {
				symbolicated = symbolicated || s.Frames[j].InApp != nil && *s.Frames[j].InApp && s.Frames[j].Function != ""
			}
		}
	}
	a.add("symbolicated_in_app", strconv.FormatBool(symbolicated))
}

// scalar is a JSON value as text; empty for lists and objects.
func scalar(v event.Value) string {
	var x any
	if len(v) == 0 || json.Unmarshal(v, &x) != nil {
		return ""
	}
	switch x := x.(type) {
	case string:
		return x
	case float64, bool:
		return fmt.Sprint(x)
	}
	return ""
}

func message(e *event.Event) string {
	if e.LogEntry == nil {
		return ""
	}
	if e.LogEntry.Formatted != "" {
		return e.LogEntry.Formatted
	}
	return e.LogEntry.Message
}

// Detail is what a message tells of an event: where it broke, in the innermost frame of the program
// itself, else in the innermost frame.
func Detail(e *event.Event) alert.Detail {
	d := alert.Detail{Message: message(e)}
	for _, t := range e.Tags {
		d.Tags = append(d.Tags, [2]string{t.Key, t.Value})
	}
	var frame *event.Frame
	for i := len(e.Exceptions) - 1; i >= 0 && frame == nil; i-- {
		frame = innermost(e.Exceptions[i].Stacktrace)
	}
	if frame == nil {
		frame = innermost(e.Stacktrace)
	}
	if frame == nil {
		return d
	}
	d.Frame = frame.Filename
	if d.Frame == "" {
		d.Frame = frame.Module
	}
	if frame.Lineno > 0 && d.Frame != "" {
		d.Frame += ":" + strconv.Itoa(frame.Lineno)
	}
	if frame.Function != "" {
		d.Frame = strings.TrimSpace(d.Frame + " in " + frame.Function)
	}
	if frame.ContextLine != nil {
		d.Code = strings.TrimSpace(*frame.ContextLine)
	}
	return d
}

func innermost(s *event.Stacktrace) *event.Frame {
	if s == nil || len(s.Frames) == 0 {
		return nil
	}
	for i := len(s.Frames) - 1; i >= 0; i-- {
		if f := &s.Frames[i]; f.InApp != nil && *f.InApp {
			return f
		}
	}
	return &s.Frames[len(s.Frames)-1]
}
