package ui

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/alerting"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/alertset"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// Lines of the editor: how many at first, and how many at most.
const (
	firstLines = 2
	maxLines   = 12
)

// newRule shows an empty editor, with what every project wants first.
func (u *UI) newRule(v *visit) error {
	nav, chosen, err := u.alertsNav(v, "rules", true)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return fault.New(fault.Invalid, "Make a project first.")
	}
	rule := alert.NewOrRegressed(chosen[0].ID, "New issues and regressions")
	rule.Frequency = 30 * time.Minute
	return u.drawRule(v, http.StatusOK, nav, chosen[0], &rule, func(*view.RulePage) {})
}

// storedRule finds the rule that the address names in the organization's projects.
func (u *UI) storedRule(v *visit) (alert.Rule, project.Project, error) {
	id, err := strconv.ParseInt(v.param("rule"), 10, 64)
	if err != nil {
		return alert.Rule{}, project.Project{}, fault.New(fault.Unknown, "There is no such rule.")
	}
	list, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return alert.Rule{}, project.Project{}, err
	}
	for _, p := range list {
		rule, err := u.Store.Rule(v.r.Context(), p.ID, id)
		if err == nil || fault.KindOf(err) != fault.Unknown {
			return rule, p, err
		}
	}
	return alert.Rule{}, project.Project{}, fault.New(fault.Unknown, "There is no such rule.")
}

// rule shows the editor of a stored rule.
func (u *UI) rule(v *visit) error {
	nav, _, err := u.alertsNav(v, "rules", false)
	if err != nil {
		return err
	}
	rule, p, err := u.storedRule(v)
	if err != nil {
		return err
	}
	fired, err := u.Store.RuleHistory(v.r.Context(), p.ID, rule.ID, time.Now().Add(-30*24*time.Hour))
	if err != nil {
		return err
	}
	ids := make([]int64, len(fired))
	for i := range fired {
		ids[i] = fired[i].IssueID
	}
	rows, err := u.Store.IssuesByID(v.r.Context(), v.principal.Organization.ID, ids)
	if err != nil {
		return err
	}
	return u.drawRule(v, http.StatusOK, nav, p, &rule, func(page *view.RulePage) {
		for _, f := range fired[:min(len(fired), 20)] {
			for i := range rows {
				if rows[i].ID == f.IssueID {
					page.Fired = append(page.Fired, view.FiredRow{At: f.LastAt, Issue: rows[i].ShortID, Href: v.orgPath("/issues/" + rows[i].ShortID), Title: rows[i].Title, Count: f.Count})
				}
			}
		}
	})
}

// changeRule answers the forms of the editor.
func (u *UI) changeRule(v *visit) error {
	nav, chosen, err := u.alertsNav(v, "rules", true)
	if err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	var rule alert.Rule
	var p project.Project
	if v.param("rule") != "" {
		if rule, p, err = u.storedRule(v); err != nil {
			return err
		}
	} else {
		for _, c := range chosen {
			if c.Slug == v.r.PostFormValue("of") {
				p = c
			}
		}
		rule = alert.Rule{Project: p.ID, CreatedBy: v.principal.UserID()}
	}
	problem := readRule(v.r.PostFormValue, &rule, time.Now(), v.principal.UserID())
	return u.doRule(v, nav, p, &rule, problem)
}

// doRule does what the editor's button says with the rule that was typed.
func (u *UI) doRule(v *visit, nav view.AlertsNav, p project.Project, rule *alert.Rule, problem error) error {
	ctx := v.r.Context()
	refuse := func(err error) error {
		if fault.KindOf(err) != fault.Invalid {
			return err
		}
		return u.drawRule(v, http.StatusBadRequest, nav, p, rule, func(page *view.RulePage) { page.Problem = fault.Public(err) })
	}
	switch v.r.PostFormValue("do") {
	case "sentence":
		v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = v.w.Write([]byte(rule.Sentence())) // the reader may have gone
		return nil
	case "add":
		return u.drawRule(v, http.StatusOK, nav, p, rule, func(*view.RulePage) {})
	case "preview":
		if problem != nil {
			return refuse(problem)
		}
		return u.previewRule(v, nav, p, rule, refuse)
	case "delete":
		if err := u.Store.DeleteRule(ctx, p.ID, rule.ID); err != nil {
			return err
		}
		v.notify(view.Notice{Text: "Deleted."})
		return v.redirect(nav.Base)
	case "save", "test":
		if problem == nil && p.ID == 0 {
			problem = fault.New(fault.Invalid, "Choose a project.")
		}
		if problem == nil {
			problem = alertset.Check(ctx, u.Store, rule)
		}
		if problem != nil {
			return refuse(problem)
		}
		if err := u.Store.PutRule(ctx, rule); err != nil {
			return refuse(err)
		}
		v.notify(view.Notice{Text: "Saved."})
		if v.r.PostFormValue("do") == "test" {
			v.notify(u.testRule(ctx, v, rule))
		}
		return v.redirect(nav.Base + "/" + strconv.FormatInt(rule.ID, 10))
	}
	return fault.New(fault.Invalid, "The form asks for nothing that can be done.")
}

func (u *UI) previewRule(v *visit, nav view.AlertsNav, p project.Project, rule *alert.Rule, refuse func(error) error) error {
	probe := *rule
	probe.Actions = []alert.Action{{Kind: alert.ActionOwners}}
	if err := probe.Validate(); err != nil {
		return refuse(err)
	}
	found, err := alerting.Run(v.r.Context(), u.Store, &probe, time.Now())
	if err != nil {
		return refuse(err)
	}
	out := &view.RulePreview{Sentence: fmt.Sprintf("It would have fired %d time%s in the last 14 days.", len(found.Firings), pluralS(len(found.Firings)))}
	if found.Partial {
		out.Sentence = fmt.Sprintf("It would have fired %d times or more in the last 14 days; not all of them were looked at.", len(found.Firings))
	}
	for _, f := range found.Firings[:min(len(found.Firings), 50)] {
		out.Rows = append(out.Rows, view.FiredRow{At: f.At, Issue: f.ShortID, Href: v.orgPath("/issues/" + f.ShortID), Title: f.Title, Change: string(f.Change)})
	}
	return u.drawRule(v, http.StatusOK, nav, p, rule, func(page *view.RulePage) { page.Preview = out })
}

// testRule sends a sample through each action of the stored rule and tells how the first bad one,
// or the last, fared.
func (u *UI) testRule(ctx context.Context, v *visit, rule *alert.Rule) view.Notice {
	var n view.Notice
	for i := range rule.Actions {
		res, err := u.Test(ctx, alert.TestRequest{Project: rule.Project, Organization: v.principal.Organization.ID, Rule: rule.ID, Action: int16(i), User: v.principal.UserID()})
		if n = testNotice(res, err); n.Bad {
			return n
		}
	}
	return n
}

func testNotice(res alert.TestResult, err error) view.Notice {
	a := attempt(res.Attempt)
	switch {
	case err != nil:
		return view.Notice{Text: "The test was not sent: " + strings.TrimSuffix(fault.Public(err), ".") + ".", Bad: true}
	case res.State == alert.DeliverySent:
		return view.Notice{Text: "The test arrived: " + a.Status + " after " + a.Took + "."}
	}
	return view.Notice{Text: "The test did not arrive: " + a.Status + ". " + a.Error, Bad: true}
}
