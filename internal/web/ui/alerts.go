package ui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// deliveriesPerPage is how many entries of the delivery log a page shows.
const deliveriesPerPage = 50

func (u *UI) alerts(v *visit) error {
	if err := v.principal.Require(account.AlertsRead, account.ProjectRead); err != nil {
		return err
	}
	p, err := u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	return u.drawAlerts(v, http.StatusOK, p, nil)
}

// drawAlerts shows a project's rule and log; form, when it is not nil, is what was typed and
// refused, or a secret to show once.
func (u *UI) drawAlerts(v *visit, status int, p project.Project, form *view.RuleForm) error {
	ctx := v.r.Context()
	page := view.AlertsPage{Project: u.projectView(v, p)}
	page.Action = page.Project.AlertsHref
	rules, err := u.Store.Rules(ctx, p.ID)
	if err != nil {
		return err
	}
	page.Rule = ruleForm(rules)
	if form != nil {
		form.Exists, form.Target, form.LastFired, form.Others = page.Rule.Exists, page.Rule.Target, page.Rule.LastFired, page.Rule.Others
		page.Rule = *form
	}
	if err := u.fillLog(v, p, &page); err != nil {
		return err
	}
	v.base.Section = view.SectionAlerts
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: p.Name, Href: page.Project.Href}, {Label: "Alerts"}}
	return v.render(status, "Alerts of "+p.Name, func(pg view.Page) component { return view.Alerts(pg, page) })
}

// ruleForm shows the first rule; the form edits that one.
func ruleForm(rules []alert.Rule) view.RuleForm {
	if len(rules) == 0 {
		return view.RuleForm{Enabled: true}
	}
	r := &rules[0]
	f := view.RuleForm{Exists: true, Enabled: r.Enabled, LastFired: r.LastFiredAt, Others: len(rules) - 1}
	if len(r.Actions) > 0 {
		f.Target = r.Actions[0].Target
	}
	for _, filter := range r.Filters {
		if filter.Kind == alert.FilterEnvironment {
			f.Environment = filter.Value
		}
	}
	return f
}

// fillLog reads the delivery log, and the tries of the delivery that the address names.
func (u *UI) fillLog(v *visit, p project.Project, page *view.AlertsPage) error {
	q := v.r.URL.Query()
	query := postgres.DeliveryQuery{Project: p.ID, Cursor: q.Get("cursor"), Limit: deliveriesPerPage}
	if state, ok := alert.ParseDeliveryState(q.Get("state")); ok {
		query.State = &state
	}
	found, err := u.Store.ListDeliveries(v.r.Context(), query)
	if err != nil {
		return err
	}
	for _, word := range []string{"", "queued", "sent", "failed", "suppressed"} {
		label := word
		if word == "" {
			label = "all"
		}
		page.States = append(page.States, view.Link{Label: label, Current: q.Get("state") == word, Href: page.Action + query1("state", word) + "#log"})
	}
	for i := range found.Rows {
		page.Deliveries = append(page.Deliveries, u.delivery(v, page.Action, &found.Rows[i]))
	}
	if found.Next != "" {
		page.Next = page.Action + "?" + url.Values{"state": {q.Get("state")}, "cursor": {found.Next}}.Encode() + "#log"
	}
	id, err := strconv.ParseInt(q.Get("delivery"), 10, 64)
	if err != nil {
		return nil
	}
	row, tries, err := u.Store.DeliveryWithAttempts(v.r.Context(), p.ID, id)
	if err != nil {
		return err
	}
	detail := u.delivery(v, page.Action, &row)
	page.Detail = &detail
	for _, a := range tries {
		page.Attempts = append(page.Attempts, attempt(a))
	}
	return nil
}

func query1(name, value string) string {
	if value == "" {
		return ""
	}
	return "?" + url.Values{name: {value}}.Encode()
}

// deliveryBadges are the words and colours of delivery states.
var deliveryBadges = map[alert.DeliveryState]view.Badge{
	alert.DeliveryQueued: {Word: "queued", Class: "wait"}, alert.DeliverySent: {Word: "sent", Class: "ok"},
	alert.DeliveryFailed: {Word: "failed", Class: "bad"}, alert.DeliverySuppressed: {Word: "suppressed", Class: "quiet"},
}

func (u *UI) delivery(v *visit, action string, d *postgres.DeliveryRow) view.Delivery {
	out := view.Delivery{
		ID: strconv.FormatInt(d.ID, 10), State: deliveryBadges[d.State], What: d.IssueTitle, Target: d.Target,
		Reason: d.Reason, Attempts: d.AttemptCount, CreatedAt: d.CreatedAt,
		CanRetry: d.State == alert.DeliveryFailed || d.State == alert.DeliverySent,
	}
	out.Href = action + "?delivery=" + out.ID + "#delivery"
	if d.State == alert.DeliveryQueued {
		out.NextAt = d.NextAttemptAt
	}
	if short := d.ShortID(); short != "" {
		out.IssueHref, out.What = v.orgPath("/issues/"+short), short+" "+d.IssueTitle
	}
	if d.IsTest() {
		out.What = "Test"
	}
	return out
}

func attempt(a alert.Attempt) view.Attempt {
	out := view.Attempt{Number: a.Number, At: a.StartedAt, Took: a.Duration.Round(time.Millisecond).String(), Status: "no answer", Error: a.Error, Response: a.Response}
	if a.Status != 0 {
		out.Status = strconv.Itoa(a.Status) + " " + http.StatusText(a.Status)
	}
	return out
}

// allAlerts lists what the rules of every project do.
func (u *UI) allAlerts(v *visit) error {
	if err := v.principal.Require(account.AlertsRead, account.ProjectRead); err != nil {
		return err
	}
	projects, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	if len(projects) == 1 {
		return v.redirect(u.projectView(v, projects[0]).AlertsHref)
	}
	ids := make([]int64, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	rules, err := u.Store.RulesOfProjects(v.r.Context(), ids)
	if err != nil {
		return err
	}
	var page view.AlertsIndex
	for _, p := range projects {
		row := view.AlertsRow{Name: p.Name, Href: u.projectView(v, p).AlertsHref, Sentence: "No rule", Enabled: true}
		if len(rules[p.ID]) > 0 {
			f := ruleForm(rules[p.ID])
			row.Sentence, row.Enabled, row.LastFired = sentence(f), f.Enabled, f.LastFired
		}
		page.Rows = append(page.Rows, row)
	}
	v.base.Section = view.SectionAlerts
	return v.render(http.StatusOK, "Alerts", func(p view.Page) component { return view.AlertsOverview(p, page) })
}

func sentence(f view.RuleForm) string {
	s := "New issues and regressions"
	if f.Environment != "" {
		s += " in " + f.Environment
	}
	return s + " go to " + f.Target
}

// changeAlerts answers the forms of the alerts page.
func (u *UI) changeAlerts(v *visit) error {
	if err := v.principal.Require(account.AlertsWrite, account.ProjectWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	p, err := u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	switch v.r.PostFormValue("do") {
	case "save":
		return u.saveRule(v, p)
	case "test":
		return u.testRule(v, p)
	case "redeliver":
		return u.redeliver(v, p)
	}
	return fault.New(fault.Invalid, "The form asks for nothing that can be done.")
}

func (u *UI) redeliver(v *visit, p project.Project) error {
	id, err := strconv.ParseInt(v.r.PostFormValue("delivery"), 10, 64)
	if err != nil {
		return fault.New(fault.Invalid, "The form names a delivery that cannot exist.")
	}
	res, err := u.Redeliver(v.r.Context(), alert.RedeliverRequest{Project: p.ID, Deliveries: []int64{id}})
	switch {
	case err != nil:
		v.notify(view.Notice{Text: "It was not queued: " + strings.TrimSuffix(fault.Public(err), ".") + ".", Bad: true})
	case len(res.Queued) == 0:
		v.notify(view.Notice{Text: "It is still queued.", Bad: true})
	default:
		v.notify(view.Notice{Text: "It is queued again."})
	}
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/alerts#log"))
}
