package ui

import (
	"bytes"
	"encoding/json"
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

// alertsNav prepares a page of alerts: its tabs, and the projects that the address names.
func (u *UI) alertsNav(v *visit, at string, write bool) (nav view.AlertsNav, chosen []project.Project, err error) {
	scopes := []account.Scope{account.AlertsRead, account.ProjectRead}
	if write {
		scopes = []account.Scope{account.AlertsWrite, account.ProjectWrite}
	}
	if err := v.principal.Require(scopes...); err != nil {
		return nav, nil, err
	}
	list, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return nav, nil, err
	}
	slug := v.r.URL.Query().Get("project")
	nav = view.AlertsNav{Base: v.orgPath("/alerts"), At: at}
	for _, p := range list {
		nav.Projects = append(nav.Projects, view.Choice{Value: p.Slug, Label: p.Name, Current: p.Slug == slug})
		if slug == "" || p.Slug == slug {
			chosen = append(chosen, p)
		}
		if p.Slug == slug {
			nav.Project = slug
		}
	}
	if len(chosen) == 0 && slug != "" {
		return nav, nil, fault.New(fault.Unknown, "There is no such project.")
	}
	v.base.Section = view.SectionAlerts
	return nav, chosen, nil
}

// projectAlerts leads from a project to its rules.
func (u *UI) projectAlerts(v *visit) error {
	return v.redirect(v.orgPath("/alerts?project=" + url.QueryEscape(v.param("project"))))
}

// alerts lists the rules.
func (u *UI) alerts(v *visit) error {
	nav, chosen, err := u.alertsNav(v, "rules", false)
	if err != nil {
		return err
	}
	ids, names := make([]int64, len(chosen)), map[int64]string{}
	for i, p := range chosen {
		ids[i], names[p.ID] = p.ID, p.Name
	}
	rules, err := u.Store.RulesOfProjects(v.r.Context(), ids)
	if err != nil {
		return err
	}
	destinations, err := u.destinationNames(v)
	if err != nil {
		return err
	}
	week, err := u.Store.RuleFiringCounts(v.r.Context(), ids, time.Now().Add(-7*24*time.Hour))
	if err != nil {
		return err
	}
	page := view.AlertsPage{Nav: nav}
	for _, p := range chosen {
		for i := range rules[p.ID] {
			r := &rules[p.ID][i]
			row := view.AlertsRow{Name: r.Name, Href: nav.Base + "/" + strconv.FormatInt(r.ID, 10), Project: p.Name, Sentence: r.Sentence(),
				LastFired: r.LastFiredAt, Week: week[r.ID], State: view.Badge{Word: "on", Class: "ok"}}
			switch {
			case !r.Enabled:
				row.State = view.Badge{Word: "off", Class: "quiet"}
			case r.IsSnoozed(time.Now()):
				row.State = view.Badge{Word: "snoozed", Class: "quiet"}
				row.SnoozedUntil = r.SnoozedUntil
			}
			for _, a := range r.Actions {
				row.Destinations = append(row.Destinations, actionWords(&a, destinations))
			}
			page.Rows = append(page.Rows, row)
		}
	}
	return v.render(http.StatusOK, "Alerts", func(pg view.Page) component { return view.Alerts(pg, page) })
}

func (u *UI) destinationNames(v *visit) (map[int64]string, error) {
	list, err := u.Store.Destinations(v.r.Context(), v.principal.Organization.ID)
	names := map[int64]string{}
	for _, d := range list {
		names[d.ID] = d.Name
	}
	return names, err
}

func actionWords(a *alert.Action, destinations map[int64]string) string {
	switch a.Kind {
	case alert.ActionOwners:
		return "issue owners, by mail"
	case alert.ActionMember:
		return "a member, by mail"
	case alert.ActionTeam:
		return "a team, by mail"
	}
	if name := destinations[a.Destination]; name != "" {
		return name
	}
	return "a deleted destination"
}

// history shows the delivery log.
func (u *UI) history(v *visit) error {
	nav, chosen, err := u.alertsNav(v, "history", false)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	query := postgres.DeliveryQuery{Projects: []int64{}, Cursor: q.Get("cursor"), Limit: deliveriesPerPage}
	names := map[int64]project.Project{}
	for _, p := range chosen {
		query.Projects = append(query.Projects, p.ID)
		names[p.ID] = p
	}
	page := view.HistoryPage{Nav: nav, Action: nav.Base + "/history"}
	for name, at := range map[string]*int64{"rule": &query.Rule, "destination": &query.Destination, "digest": &query.Digest, "issue": &query.Issue} {
		if *at, _ = strconv.ParseInt(q.Get(name), 10, 64); *at != 0 {
			page.About = "Only of one " + name + "."
		}
	}
	if state, ok := alert.ParseDeliveryState(q.Get("state")); ok {
		query.State = &state
	}
	found, err := u.Store.ListDeliveries(v.r.Context(), query)
	if err != nil {
		return err
	}
	for _, word := range append([]string{""}, alert.StateNames()...) {
		label, to := word, url.Values{}
		if word == "" {
			label = "all"
		}
		for k, vs := range q {
			if k != "cursor" && k != "state" {
				to[k] = vs
			}
		}
		if word != "" {
			to.Set("state", word)
		}
		page.States = append(page.States, view.Link{Label: label, Current: q.Get("state") == word, Href: page.Action + "?" + to.Encode()})
	}
	for i := range found.Rows {
		page.Deliveries = append(page.Deliveries, u.delivery(v, &found.Rows[i]))
	}
	if found.Next != "" {
		q.Set("cursor", found.Next)
		page.Next = page.Action + "?" + q.Encode()
	}
	return v.render(http.StatusOK, "Alert history", func(pg view.Page) component { return view.History(pg, page) })
}

// deliveryBadges are the words and colours of delivery states.
var deliveryBadges = map[alert.DeliveryState]view.Badge{
	alert.DeliveryQueued: {Word: "queued", Class: "wait"}, alert.DeliverySent: {Word: "sent", Class: "ok"},
	alert.DeliveryFailed: {Word: "failed", Class: "bad"}, alert.DeliverySuppressed: {Word: "suppressed", Class: "quiet"},
	alert.DeliveryFolded: {Word: "folded", Class: "quiet"},
}

func (u *UI) delivery(v *visit, d *postgres.DeliveryRow) view.Delivery {
	base := v.orgPath("/alerts")
	out := view.Delivery{
		ID: strconv.FormatInt(d.ID, 10), Project: strconv.FormatInt(d.Project, 10), State: deliveryBadges[d.State], Kind: string(d.Kind), What: d.IssueTitle,
		Target: d.Target, Channel: d.Channel, Reason: d.Reason, Attempts: d.AttemptCount, CreatedAt: d.CreatedAt, Rule: d.RuleName,
		CanRetry: d.State == alert.DeliveryFailed || d.State == alert.DeliverySent || d.State == alert.DeliverySuppressed,
	}
	out.Href = base + "/history/" + out.Project + "/" + out.ID
	if d.RuleName != "" {
		out.RuleHref = base + "/" + strconv.FormatInt(d.Rule, 10)
	}
	if d.State == alert.DeliveryQueued {
		out.NextAt = d.NextAttemptAt
		if d.AttemptCount > 0 {
			out.State.Word = "retrying"
		}
	}
	if d.State == alert.DeliverySent && d.FinishedAt != nil {
		out.Took = d.FinishedAt.Sub(d.QueuedAt).Round(10 * time.Millisecond).String()
	}
	if short := d.ShortID(); short != "" {
		out.IssueHref, out.What = v.orgPath("/issues/"+short), short+" "+d.IssueTitle
	}
	switch {
	case d.Kind == alert.NoticeDigest:
		out.What, out.Digest = "Several issues", base+"/history?digest="+out.ID
	case d.Digest != 0:
		out.Digest = base + "/history/" + out.Project + "/" + strconv.FormatInt(d.Digest, 10)
	case d.Kind == alert.NoticeReport:
		out.What = "Weekly report"
	case d.Kind == alert.NoticeDisabled:
		out.What = "A destination was switched off"
	case out.What == "":
		out.What = "Test"
	}
	return out
}

func attempt(a alert.Attempt) view.Attempt {
	out := view.Attempt{Number: a.Number, At: a.StartedAt, Took: a.Duration.Round(time.Millisecond).String(), Status: "no answer", Error: a.Error, Response: a.Response}
	if a.Status != 0 {
		out.Status = strings.TrimSpace(strconv.Itoa(a.Status) + " " + http.StatusText(a.Status))
	}
	return out
}

// deliveryOfPath reads the delivery that a form or an address names, within the organization.
func (u *UI) deliveryOf(v *visit, text string) (postgres.DeliveryRow, []alert.Attempt, error) {
	first, second, _ := strings.Cut(text, "/")
	projectID, err1 := strconv.ParseInt(first, 10, 64)
	id, err2 := strconv.ParseInt(second, 10, 64)
	list, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return postgres.DeliveryRow{}, nil, err
	}
	for _, p := range list {
		if err1 == nil && err2 == nil && p.ID == projectID {
			return u.Store.DeliveryWithAttempts(v.r.Context(), p.ID, id)
		}
	}
	return postgres.DeliveryRow{}, nil, fault.New(fault.Unknown, "There is no such delivery.")
}

// deliveryPage shows one delivery with its tries.
func (u *UI) deliveryPage(v *visit) error {
	nav, _, err := u.alertsNav(v, "history", false)
	if err != nil {
		return err
	}
	row, tries, err := u.deliveryOf(v, v.param("pid")+"/"+v.param("delivery"))
	if err != nil {
		return err
	}
	page := view.DeliveryPage{Nav: nav, Action: nav.Base + "/history", Delivery: u.delivery(v, &row)}
	for _, a := range tries {
		page.Attempts = append(page.Attempts, attempt(a))
	}
	message, err := u.Store.DeliveryMessage(v.r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, message, "", "  ") == nil { // mail is none
		message = pretty.Bytes()
	}
	page.Message = strings.ToValidUTF8(string(message[:min(len(message), 16<<10)]), "\ufffd")
	if row.Issue != 0 {
		page.CanAck = true
		acks, err := u.Store.Acknowledgements(v.r.Context(), row.Project, row.Issue)
		if err != nil {
			return err
		}
		for _, a := range acks {
			page.Acknowledged = append(page.Acknowledged, "Acknowledged by "+a.Name+" at "+a.CreatedAt.UTC().Format("2006-01-02 15:04 UTC")+".")
		}
	}
	return v.render(http.StatusOK, "Delivery", func(pg view.Page) component { return view.DeliveryDetail(pg, page) })
}

// changeHistory answers the forms of the delivery log.
func (u *UI) changeHistory(v *visit) error {
	nav, _, err := u.alertsNav(v, "history", true)
	if err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	names := v.r.PostForm["delivery"]
	if len(names) == 0 || len(names) > alert.MaxRedeliver {
		v.notify(view.Notice{Text: "Select deliveries first.", Bad: true})
		return v.redirect(nav.Base + "/history")
	}
	byProject := map[int64][]int64{}
	for _, name := range names {
		row, _, err := u.deliveryOf(v, name)
		if err != nil {
			return err
		}
		if v.r.PostFormValue("do") == "acknowledge" {
			if err := u.Store.Acknowledge(v.r.Context(), row.Project, row.Issue, v.principal.UserID(), v.principal.User.DisplayName()); err != nil {
				return err
			}
			v.notify(view.Notice{Text: "Acknowledged. Nobody else is told."})
			return v.redirect(nav.Base + "/history/" + name)
		}
		byProject[row.Project] = append(byProject[row.Project], row.ID)
	}
	queued := 0
	for projectID, ids := range byProject {
		res, err := u.Redeliver(v.r.Context(), alert.RedeliverRequest{Project: projectID, Deliveries: ids})
		if err != nil {
			v.notify(view.Notice{Text: "It was not queued: " + strings.TrimSuffix(fault.Public(err), ".") + ".", Bad: true})
			return v.redirect(nav.Base + "/history")
		}
		queued += len(res.Queued)
	}
	v.notify(view.Notice{Text: strconv.Itoa(queued) + " of " + strconv.Itoa(len(names)) + " queued again.", Bad: queued == 0})
	return v.redirect(nav.Base + "/history")
}
