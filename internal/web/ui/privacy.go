package ui

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/scrub"
	"github.com/tocsin-dev/tocsin/internal/web/inbound"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// scrubSwitches are the switches of the form of scrubbing.
var scrubSwitches = []struct {
	name, label, help string
	on                func(*scrub.Settings) *bool
}{
	{"scrub", "Remove personal data", "Without it only addresses and advanced rules are looked at.", func(s *scrub.Settings) *bool { return &s.ScrubData }},
	{"defaults", "Passwords, keys, tokens, cards and the like", "The built-in rules: what they find is replaced by [Filtered].", func(s *scrub.Settings) *bool { return &s.ScrubDefaults }},
	{"addresses", "IP addresses", "Addresses of users and in texts.", func(s *scrub.Settings) *bool { return &s.ScrubIPAddresses }},
	{"strict", "Secrets in titles, tags and URLs too", "Looks for the form of secrets where the built-in rules do not look.", func(s *scrub.Settings) *bool { return &s.Strict }},
}

func (u *UI) privacy(v *visit) error {
	p, err := u.inboundProject(v)
	if err != nil {
		return err
	}
	s, err := scrub.Read(p.Settings.Scrubbing)
	if err != nil {
		return err
	}
	return u.drawPrivacy(v, p, &s, nil, nil)
}

// changePrivacy stores what the form says, or shows what it would remove from the newest event.
func (u *UI) changePrivacy(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	p, err := u.inboundProject(v)
	if err != nil {
		return err
	}
	var s scrub.Settings
	if problem := fillScrubbing(v, &s); problem != nil {
		return u.drawPrivacy(v, p, &s, nil, problem)
	}
	if v.r.PostFormValue("do") == "preview" {
		trial, err := inbound.Try(v.r.Context(), u.Store, p.ID, s, event.ID{})
		switch {
		case fault.KindOf(err) == fault.Unknown && err != nil:
			return u.drawPrivacy(v, p, &s, &view.InboundResult{Sentence: "There are no events yet."}, nil)
		case err != nil:
			return u.drawPrivacy(v, p, &s, nil, err)
		}
		return u.drawPrivacy(v, p, &s, tried(trial), nil)
	}
	if err := inbound.ChangeScrubbing(v.r.Context(), u.Store, p.ID, func(into *scrub.Settings) error { *into = s; return nil }); err != nil {
		return u.drawPrivacy(v, p, &s, nil, err)
	}
	v.notify(view.Notice{Text: "Saved."})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/privacy"))
}

// fillScrubbing reads the form. fault.Invalid: the advanced rules are no JSON.
func fillScrubbing(v *visit, s *scrub.Settings) error {
	for _, f := range scrubSwitches {
		*f.on(s) = v.r.PostFormValue(f.name) != ""
	}
	s.SensitiveFields, s.ExcludeFields = lines(v.r.PostFormValue("sensitive")), lines(v.r.PostFormValue("safe"))
	if rules := strings.TrimSpace(v.r.PostFormValue("rules")); rules != "" {
		s.PIIConfig = json.RawMessage(rules)
		if !json.Valid(s.PIIConfig) {
			return fault.New(fault.Invalid, "The advanced rules are not JSON.")
		}
	}
	return nil
}

func tried(trial inbound.Trial) *view.InboundResult {
	r := &view.InboundResult{Columns: []string{"Where", "What would be left", "Rule"}}
	switch n := len(trial.Changes); {
	case n == 0:
		r.Sentence = "Nothing of the newest event would change: what is stored was scrubbed when it arrived."
	case trial.More:
		r.Sentence = fmt.Sprintf("More than %d values of the newest event would change.", n)
	default:
		r.Sentence = fmt.Sprintf("%d values of the newest event would change.", n)
	}
	for _, c := range trial.Changes {
		left := "nothing"
		if c.After != nil {
			if text, err := json.Marshal(c.After); err == nil {
				left = string(text)
			}
		}
		r.Rows = append(r.Rows, []string{c.Path, left, strings.Join(c.Rules, ", ")})
	}
	return r
}

// drawPrivacy shows the form; failures of ours are no fault of the form.
func (u *UI) drawPrivacy(v *visit, p project.Project, s *scrub.Settings, result *view.InboundResult, problem error) error {
	page := view.InboundPage{
		Project: u.projectView(v, p), Heading: "Privacy", Current: "privacy", Preview: "Try on the newest event", Result: result,
		About: "What matches is removed from events when they arrive, before anything is stored. It cannot be brought back.",
	}
	page.Action = page.Project.Href + "/privacy"
	status, text, err := refused(problem)
	if err != nil {
		return err
	}
	for _, f := range scrubSwitches {
		page.Switches = append(page.Switches, view.InboundSwitch{Name: f.name, Label: f.label, Help: f.help, On: *f.on(s)})
	}
	page.Texts = []view.InboundText{
		{Name: "sensitive", Label: "Further sensitive fields", Help: "One part of a name on each line; the value of any field whose name has it is replaced.", Value: strings.Join(s.SensitiveFields, "\n")},
		{Name: "safe", Label: "Safe fields", Help: "One name or selector on each line that the built-in rules leave alone, such as extra.order.", Value: strings.Join(s.ExcludeFields, "\n")},
		{Name: "rules", Label: "Advanced rules", Help: `JSON, such as {"applications": {"$string": ["@email:mask"]}}`, Value: string(s.PIIConfig)},
	}
	if text != "" {
		at := 2
		switch {
		case strings.HasPrefix(text, "sensitiveFields"):
			at = 0
		case strings.HasPrefix(text, "excludeFields"):
			at = 1
		}
		page.Texts[at].Problem = text
	}
	return u.drawInbound(v, status, p, page)
}
