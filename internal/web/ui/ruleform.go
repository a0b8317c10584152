package ui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// readRule puts what was typed into a rule.
func readRule(form func(string) string, r *alert.Rule, now time.Time, user int64) error {
	text := func(name string) string { return strings.TrimSpace(form(name)) }
	r.Name, r.Enabled, r.Match, r.FilterMatch = text("name"), form("enabled") != "", alert.Match(text("match")), alert.Match(text("filter_match"))
	r.Environment, r.Owner = text("environment"), text("owner")
	r.Conditions, r.Filters, r.Actions = readClauses(text, "c"), readClauses(text, "f"), nil
	minutes, err := strconv.Atoi(text("frequency"))
	r.Frequency = time.Duration(min(max(minutes, 0), 1<<20)) * time.Minute
	if err != nil && text("frequency") != "" {
		return fault.New(fault.Invalid, "The frequency is a number of minutes.")
	}
	for i := range maxLines {
		prefix := "a" + strconv.Itoa(i+1)
		if a, ok := readAction(text(prefix + "to")); ok {
			a.Notes, a.Severity = text(prefix+"notes"), text(prefix+"severity")
			for tag := range strings.SplitSeq(text(prefix+"tags"), ",") {
				if tag = strings.TrimSpace(tag); tag != "" {
					a.Tags = append(a.Tags, tag)
				}
			}
			r.Actions = append(r.Actions, a)
		}
	}
	r.Quiet, r.Escalation = nil, nil
	if from, to := text("quiet_from"), text("quiet_to"); from != "" || to != "" {
		r.Quiet = &alert.Quiet{Zone: text("quiet_zone"), From: from, To: to}
	}
	if after := text("escalate_after"); after != "" || text("escalate_to") != "" {
		n, err1 := strconv.Atoi(after)
		to, err2 := strconv.ParseInt(text("escalate_to"), 10, 64)
		if err1 != nil || err2 != nil || n < 1 || n > 1<<20 {
			return fault.New(fault.Invalid, "An escalation needs minutes and a destination.")
		}
		r.Escalation = &alert.Escalation{After: time.Duration(n) * time.Minute, Destination: to}
	}
	readSnooze(text("snooze"), r, now, user)
	return nil
}

func readSnooze(text string, r *alert.Rule, now time.Time, user int64) {
	switch text {
	case "keep":
	case "":
		r.Snoozed, r.SnoozedUntil, r.SnoozedBy = false, nil, 0
	case "ever":
		r.Snoozed, r.SnoozedUntil, r.SnoozedBy = true, nil, user
	default:
		if d, err := time.ParseDuration(text); err == nil && d > 0 {
			until := now.Add(d)
			r.Snoozed, r.SnoozedUntil, r.SnoozedBy = true, &until, user
		}
	}
}

func readClauses(text func(string) string, prefix string) []alert.Clause {
	list := []alert.Clause{}
	for i := range maxLines {
		p := prefix + strconv.Itoa(i+1)
		c := alert.Clause{Kind: alert.Kind(text(p + "kind")), Value: text(p + "value"), Key: text(p + "key"), Match: alert.Operator(text(p + "match")),
			Interval: text(p + "interval"), Compare: text(p+"compare") != "", Shift: text(p + "shift")}
		if c.Kind == "" {
			continue
		}
		if c.Kind == alert.KindUsersFiltered { // the editor knows one filter, on a tag
			op, want, _ := strings.Cut(c.Key, "=")
			c.Clauses = []alert.Clause{{Kind: alert.KindTag, Key: op, Match: alert.OpEqual, Value: want}}
		}
		if !c.Compare {
			c.Shift = ""
		}
		list = append(list, c)
	}
	return list
}

func readAction(text string) (alert.Action, bool) {
	kind, id, _ := strings.Cut(text, ":")
	n, _ := strconv.ParseInt(id, 10, 64)
	switch alert.ActionKind(kind) {
	case alert.ActionDestination:
		return alert.Action{Kind: alert.ActionDestination, Destination: n}, n != 0
	case alert.ActionMember:
		return alert.Action{Kind: alert.ActionMember, Target: n}, n != 0
	case alert.ActionOwners:
		return alert.Action{Kind: alert.ActionOwners, Fallthrough: alert.Fallthrough(id)}, true
	}
	return alert.Action{}, false
}

// drawRule shows the editor; more adds what only this answer has.
func (u *UI) drawRule(v *visit, status int, nav view.AlertsNav, p project.Project, r *alert.Rule, more func(*view.RulePage)) error {
	destinations, err := u.Store.Destinations(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	members, err := u.Store.Members(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	page := view.RulePage{Nav: nav, Action: nav.Base + "/new", Sentence: r.Sentence(), Name: r.Name, Project: p.Slug, Enabled: r.Enabled,
		Match:       choices(string(r.Match), "any", "any", "all", "all", "none", "none"),
		FilterMatch: choices(string(r.FilterMatch), "all", "all", "any", "any", "none", "none"),
		Conditions:  clauseRows("c", r.Conditions, true), Filters: clauseRows("f", r.Filters, false), Environment: r.Environment,
		Frequency: choices(strconv.Itoa(int(r.Frequency/time.Minute)), "0", "every time", "5", "at most every 5 minutes", "10", "at most every 10 minutes", "30", "at most every 30 minutes",
			"60", "at most every hour", "180", "at most every 3 hours", "720", "at most every 12 hours", "1440", "at most every day", "10080", "at most every week", "43200", "at most every 30 days"),
	}
	for i := range page.Nav.Projects {
		page.Nav.Projects[i].Current = page.Nav.Projects[i].Value == p.Slug
	}
	if r.ID != 0 {
		page.ID = strconv.FormatInt(r.ID, 10)
		page.Action = nav.Base + "/" + page.ID
	}
	people := []string{"", "nobody"}
	for _, m := range members {
		people = append(people, "user:"+strconv.FormatInt(m.ID, 10), or(m.Name, m.Email))
	}
	page.Owner = choices(r.Owner, people...)
	to := []string{"", "—"}
	escalate := []string{"", "nobody"}
	for _, d := range destinations {
		to = append(to, "destination:"+strconv.FormatInt(d.ID, 10), d.Name)
		escalate = append(escalate, strconv.FormatInt(d.ID, 10), d.Name)
	}
	to = append(to, "owners:ActiveMembers", "issue owners by mail, else active members", "owners:AllMembers", "issue owners by mail, else all members", "owners:NoOne", "issue owners by mail")
	for _, m := range members {
		to = append(to, "member:"+strconv.FormatInt(m.ID, 10), or(m.Name, m.Email)+", by mail")
	}
	for i := range min(max(len(r.Actions)+1, firstLines), maxLines) {
		row := view.ActionRow{Number: i + 1}
		at, severity := "", ""
		if i < len(r.Actions) {
			a := r.Actions[i]
			row.Notes, row.Tags, severity = a.Notes, strings.Join(a.Tags, ", "), a.Severity
			switch a.Kind {
			case alert.ActionDestination:
				at = "destination:" + strconv.FormatInt(a.Destination, 10)
			case alert.ActionMember:
				at = "member:" + strconv.FormatInt(a.Target, 10)
			case alert.ActionOwners:
				at = "owners:" + or(string(a.Fallthrough), "ActiveMembers")
			}
		}
		row.To = choices(at, to...)
		row.Severity = choices(severity, "", "severity by level", "critical", "critical", "error", "error", "warning", "warning", "info", "info")
		page.Actions = append(page.Actions, row)
	}
	fillExtras(&page, r, escalate)
	more(&page)
	v.base.Section = view.SectionAlerts
	v.base.Crumbs = []view.Link{{Label: "Alerts", Href: nav.Base}, {Label: or(r.Name, "New rule")}}
	return v.render(status, or(r.Name, "New rule"), func(pg view.Page) component { return view.Rule(pg, page) })
}

// fillExtras shows quiet hours, escalation and snooze.
func fillExtras(page *view.RulePage, r *alert.Rule, escalate []string) {
	if q := r.Quiet; q != nil {
		page.QuietFrom, page.QuietTo, page.QuietZone = q.From, q.To, q.Zone
	}
	at := ""
	if e := r.Escalation; e != nil {
		page.EscalateAfter, at = strconv.Itoa(int(e.After/time.Minute)), strconv.FormatInt(e.Destination, 10)
	}
	page.EscalateTo = choices(at, escalate...)
	snooze := []string{"", "no", "1h", "for an hour", "8h", "for 8 hours", "24h", "for a day", "168h", "for a week", "ever", "until switched on"}
	current := ""
	if r.IsSnoozed(time.Now()) {
		current, page.SnoozedUntil = "keep", "until it is switched on"
		if r.SnoozedUntil != nil {
			page.SnoozedUntil = "until " + r.SnoozedUntil.UTC().Format("2006-01-02 15:04 UTC")
		}
		snooze = append(snooze, "keep", page.SnoozedUntil)
	}
	page.Snooze = choices(current, snooze...)
}

// clauseRows are the lines of the editor for conditions or filters, with a free one at the end.
func clauseRows(prefix string, list []alert.Clause, triggers bool) []view.ClauseRow {
	kinds := []string{"", "—"}
	for _, k := range alert.Kinds(triggers) {
		kinds = append(kinds, string(k), kindWords[k])
	}
	var rows []view.ClauseRow
	for i := range min(max(len(list)+1, firstLines), maxLines) {
		var c alert.Clause
		if i < len(list) {
			c = list[i]
		}
		if len(c.Clauses) > 0 && c.Key == "" {
			c.Key = c.Clauses[0].Key + "=" + c.Clauses[0].Value
		}
		matches := []string{"gte", "or higher", "lte", "or lower", "older", "older than", "newer", "newer than"}
		for _, o := range alert.TextOperators() {
			matches = append(matches, string(o), alert.OperatorWords(o))
		}
		row := view.ClauseRow{Prefix: prefix + strconv.Itoa(i+1), Number: i + 1, Kinds: choices(string(c.Kind), kinds...), Value: c.Value, Key: c.Key,
			Match: choices(string(c.Match), append([]string{"", "—"}, matches...)...), Compare: c.Compare,
			Interval: choices(c.Interval, "", "—", "1m", "in a minute", "5m", "in 5 minutes", "15m", "in 15 minutes", "30m", "in 30 minutes", "1h", "in an hour", "1d", "in a day", "1w", "in a week", "30d", "in 30 days",
				"minute", "minutes", "hour", "hours", "day", "days", "week", "weeks"),
			Shift: choices(c.Shift, "", "—", "5m", "5 minutes before", "15m", "15 minutes before", "1h", "an hour before", "1d", "a day before", "1w", "a week before", "30d", "30 days before"),
		}
		rows = append(rows, row)
	}
	return rows
}

// kindWords are the kinds as the editor offers them.
var kindWords = map[alert.Kind]string{
	alert.KindEvent: "an event is seen", alert.KindNew: "an issue is new", alert.KindRegressed: "a resolved issue comes back",
	alert.KindReappeared: "a muted issue comes back", alert.KindEscalating: "an issue escalates", alert.KindResolved: "an issue is resolved",
	alert.KindAssigned: "an issue is assigned", alert.KindCommented: "somebody comments", alert.KindNewHigh: "a new issue has high priority",
	alert.KindExistingHigh: "an issue gets high priority", alert.KindEvents: "more events than", alert.KindUsers: "more users than",
	alert.KindUsersFiltered: "more users (with tag=value) than", alert.KindNth: "every Nth event", alert.KindNewRelease: "it spreads to a new release",
	alert.KindNewEnvironment: "it spreads to a new environment", alert.KindPriorityChanged: "priority becomes at least",
	alert.KindAge: "age of the issue", alert.KindTimesSeen: "times seen at least", alert.KindUsersSeen: "users at least", alert.KindAssignedTo: "assigned to (nobody, user:id, team:id)",
	alert.KindLevel: "level", alert.KindPriority: "priority at least", alert.KindCategory: "category (number)", alert.KindTag: "tag", alert.KindAttribute: "attribute",
	alert.KindLatestRelease: "release is the latest", alert.KindReleaseAge: "oldest or newest release", alert.KindEnvironment: "environment", alert.KindQuery: "found by search",
}

// choices makes options of pairs of a value and its words; a current value among none is added.
func choices(current string, pairs ...string) []view.Choice {
	var list []view.Choice
	found := false
	for i := 0; i+1 < len(pairs); i += 2 {
		is := pairs[i] == current
		found = found || is
		list = append(list, view.Choice{Value: pairs[i], Label: pairs[i+1], Current: is})
	}
	if !found && current != "" {
		list = append(list, view.Choice{Value: current, Label: current, Current: true})
	}
	return list
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// notifications shows what the reader wants to hear of, and stores it.
func (u *UI) notifications(v *visit) error {
	ctx := v.r.Context()
	list, err := u.Store.Projects(ctx, v.principal.Organization.ID)
	if err != nil {
		return err
	}
	list = append([]project.Project{{Name: "All projects"}}, list...)
	if v.r.Method == http.MethodPost {
		if err := v.parseForm(); err != nil {
			return err
		}
		for _, p := range list {
			for _, t := range alert.Topics {
				var on *bool
				if word := v.r.PostFormValue(string(t.Topic) + ":" + strconv.FormatInt(p.ID, 10)); word == "on" || word == "off" {
					on = ptr(word == "on")
				}
				if err := u.Store.SetNotification(ctx, v.principal.UserID(), p.ID, t.Topic, on); err != nil {
					return err
				}
			}
		}
		v.notify(view.Notice{Text: "Saved."})
		return v.redirect("/account/notifications")
	}
	stored, err := u.Store.NotificationSettings(ctx, v.principal.UserID())
	if err != nil {
		return err
	}
	page := view.NotificationsPage{Action: "/account/notifications"}
	for _, t := range alert.Topics {
		page.Topics = append(page.Topics, view.TopicColumn{Topic: string(t.Topic), Label: t.Label, About: t.About})
	}
	for _, p := range list {
		row := view.TopicRow{ID: strconv.FormatInt(p.ID, 10), Name: p.Name}
		for _, t := range alert.Topics {
			at := ""
			for _, s := range stored {
				if s.ProjectID == p.ID && s.Topic == t.Topic {
					at = map[bool]string{true: "on", false: "off"}[s.IsOn]
				}
			}
			usual := "as for all"
			if p.ID == 0 {
				usual = "usual (mail)"
			}
			row.Choices = append(row.Choices, choices(at, "", usual, "on", "mail", "off", "nothing"))
		}
		page.Rows = append(page.Rows, row)
	}
	v.base.Section = view.SectionAccount
	return v.render(http.StatusOK, "Notifications", func(pg view.Page) component { return view.Notifications(pg, page) })
}

// unsubscribe ends mail about a topic; the token in the address says whose and which. A mail program
// posts to it, a person is asked first.
func (u *UI) unsubscribe(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	token := v.r.FormValue("token")
	if u.Key == nil {
		return fault.New(fault.Unavailable, "This server cannot read the address.")
	}
	plain, err := u.Key.Open(token, alert.UnsubscribeUse)
	parts := strings.Fields(string(plain))
	if err != nil || len(parts) != 3 || !alert.IsTopic(parts[2]) {
		return fault.New(fault.Invalid, "The address is not complete. Use the link of the mail as it is.")
	}
	user, err1 := strconv.ParseInt(parts[0], 10, 64)
	projectID, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err1 != nil || err2 != nil {
		return fault.New(fault.Invalid, "The address is not complete. Use the link of the mail as it is.")
	}
	page := view.UnsubscribePage{Action: "/unsubscribe", Token: token, What: parts[2] + " of this project"}
	if alert.Topic(parts[2]) == alert.TopicReports {
		page.What = "weekly reports"
	}
	if v.r.Method == http.MethodPost {
		if err := u.Store.SetNotification(v.r.Context(), user, projectID, alert.Topic(parts[2]), ptr(false)); err != nil {
			return err
		}
		page.Done = true
	}
	return v.render(http.StatusOK, "E-mail", func(pg view.Page) component { return view.Unsubscribe(pg, page) })
}

// pluralS is what a noun ends in after a number.
func pluralS(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
