package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/ownership"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// assignments are what a new issue is given by, in people's words.
var assignments = []view.Choice{
	{Value: string(ownership.AssignOwner), Label: "are given to their owner"},
	{Value: string(ownership.AssignSuspect), Label: "are given to who wrote the suspect commit"},
	{Value: string(ownership.AssignNobody), Label: "are given to nobody by themselves"},
}

func (u *UI) ownership(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	o, err := u.Store.Ownership(v.r.Context(), p.ID)
	if err != nil {
		return err
	}
	return u.drawOwnership(v, p, o, nil, nil)
}

// drawOwnership shows the form; failures of ours are no fault of the form.
func (u *UI) drawOwnership(v *visit, p project.Project, o ownership.Settings, trial *view.OwnershipPage, problem error) error {
	status, text, err := refused(problem)
	if err != nil {
		return err
	}
	page := view.OwnershipPage{}
	if trial != nil {
		page = *trial
	}
	page.SettingsHead, page.Raw, page.CodeOwners, page.Fallthrough = u.projectHead(v, p, "ownership"), o.Raw, o.CodeOwners, o.Fallthrough
	page.MayWrite = v.principal.Require(account.ProjectRead, account.ProjectWrite) == nil // members keep the rules of what they work on
	for _, c := range assignments {
		c.Current = c.Value == string(o.AutoAssignment)
		page.Assignments = append(page.Assignments, c)
	}
	if strings.HasPrefix(text, "A CODEOWNERS") {
		page.FileProblem = text
	} else {
		page.RawProblem = text
	}
	if file, err := ownership.ParseCodeOwners(o.CodeOwners); err == nil && problem == nil && trial == nil {
		for _, name := range file.Owners() {
			if o.Actors[name] == "" {
				page.Missing = append(page.Missing, name)
			}
		}
	}
	return v.projectSettings(status, &page.SettingsHead, "Ownership", func(pg view.Page) component { return view.Ownership(pg, page) })
}

// changeOwnership stores what the form says, or shows whom it would have given events to.
func (u *UI) changeOwnership(v *visit) error {
	if err := v.parseFormUpTo(maxTexts); err != nil {
		return err
	}
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	o, err := u.Store.Ownership(v.r.Context(), p.ID)
	if err != nil {
		return err
	}
	form := v.r.PostForm
	o.Raw, o.CodeOwners, o.Fallthrough = unix(form.Get("raw")), unix(form.Get("codeowners")), form.Get("fallthrough") != ""
	for _, c := range assignments {
		if c.Value == form.Get("assignment") {
			o.AutoAssignment = ownership.AutoAssignment(c.Value)
		}
	}
	if form.Get("do") == "preview" {
		v.note.Event = "-"
		trial, err := u.tryOwnership(v, p, &o)
		return u.drawOwnership(v, p, o, trial, err)
	}
	missing, err := u.Store.PutOwnership(v.r.Context(), p.OrganizationID, p.ID, &o)
	if err != nil {
		return u.drawOwnership(v, p, o, nil, err)
	}
	said := view.Notice{Text: "Saved."}
	if n := len(missing); n > 0 {
		said.Text = fmt.Sprintf("Saved. %d names of the CODEOWNERS file are nobody here.", n)
	}
	v.notify(said)
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/ownership"))
}

// ownershipTried is how many of the newest events rules are tried on.
const ownershipTried = 100

// tryOwnership says which rules the newest events of a project meet.
func (u *UI) tryOwnership(v *visit, p project.Project, o *ownership.Settings) (*view.OwnershipPage, error) {
	raw, err := ownership.Parse(o.Raw)
	if err != nil {
		return nil, err
	}
	file, err := ownership.ParseCodeOwners(o.CodeOwners)
	if err != nil {
		return nil, err
	}
	events, err := u.Store.Events(v.r.Context(), postgres.EventQuery{Project: p.ID, Limit: ownershipTried})
	if err != nil {
		return nil, err
	}
	by, owned := make(map[string]*view.OwnerMatch), 0
	for i := range events.Rows {
		facts := ownership.FactsOf(events.Rows[i].Event)
		rule := raw.Match(facts)
		if rule == nil {
			rule = file.Match(facts)
		}
		if rule == nil || len(rule.Owners) == 0 {
			continue
		}
		owned++
		m := by[rule.Text()]
		if m == nil {
			m = &view.OwnerMatch{Rule: rule.Text(), Owners: strings.Join(rule.Owners, ", "), Href: v.orgPath("/e/" + events.Rows[i].ID.String())}
			by[rule.Text()] = m
		}
		m.Events++
	}
	page := &view.OwnershipPage{Tried: true, Sentence: fmt.Sprintf("%d of the last %d events would have an owner.", owned, len(events.Rows))}
	if len(events.Rows) == 0 {
		page.Sentence = "There are no events yet."
	}
	for _, m := range by {
		page.Matches = append(page.Matches, *m)
	}
	slices.SortFunc(page.Matches, func(a, b view.OwnerMatch) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Rule, b.Rule))
	})
	return page, nil
}
