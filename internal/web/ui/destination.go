package ui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/alertset"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// healthBadges are the words and colours of Destination.Status.
var healthBadges = map[string]view.Badge{
	"ok": {Word: "ok", Class: "ok"}, "failing": {Word: "failing", Class: "bad"}, "paused": {Word: "paused", Class: "quiet"},
	"disabled": {Word: "switched off", Class: "bad"}, "unused": {Word: "unused", Class: "quiet"},
}

func (u *UI) destinations(v *visit) error {
	nav, _, err := u.alertsNav(v, "destinations", false)
	if err != nil {
		return err
	}
	list, err := u.Store.Destinations(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	page := view.DestinationsPage{Nav: nav, Action: nav.Base + "/destinations"}
	for i := range list {
		d := &list[i]
		id := strconv.FormatInt(d.ID, 10)
		page.Rows = append(page.Rows, view.DestinationRow{ID: id, Name: d.Name, Href: page.Action + "/" + id, Channel: d.Channel, Target: d.Target,
			State: healthBadges[d.Status()], Trouble: trouble(d), LastSent: d.Health.LastSentAt, LastFailed: d.Health.LastFailedAt, Paused: d.Paused,
			HistoryHref: nav.Base + "/history?destination=" + id})
	}
	for _, sp := range channels.Specs() {
		page.Kinds = append(page.Kinds, view.Link{Label: sp.Label, Count: sp.About, Href: page.Action + "/new?channel=" + sp.Name})
	}
	return v.render(http.StatusOK, "Destinations", func(pg view.Page) component { return view.Destinations(pg, page) })
}

// trouble says what is the matter with a destination; empty: nothing.
func trouble(d *alert.Destination) string {
	h := &d.Health
	switch {
	case h.DisabledAt != nil:
		return "Switched off at " + h.DisabledAt.UTC().Format("2006-01-02 15:04 UTC") + ". " + h.DisabledReason + " Save it to start anew."
	case h.Failures > 0:
		text := strconv.Itoa(h.Failures) + " failure" + pluralS(h.Failures) + " in a row: " + h.LastError + "."
		if h.OpenUntil != nil && h.OpenUntil.After(time.Now()) {
			text += " Nothing is sent before " + h.OpenUntil.UTC().Format("15:04:05 UTC") + "."
		}
		return text
	}
	return ""
}

// changeDestinations answers the buttons of the list.
func (u *UI) changeDestinations(v *visit) error {
	nav, chosen, err := u.alertsNav(v, "destinations", true)
	if err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	d, err := u.destinationNamed(v, v.r.PostFormValue("id"))
	if err != nil {
		return err
	}
	switch v.r.PostFormValue("do") {
	case "test":
		v.notify(u.testDestination(v, d.ID, firstID(chosen)))
	case "pause", "resume":
		d.Paused = v.r.PostFormValue("do") == "pause"
		if err := u.Store.PutDestination(v.r.Context(), &d); err != nil {
			return err
		}
		v.notify(view.Notice{Text: map[bool]string{true: "Paused: alerts to it are only logged.", false: "Resumed."}[d.Paused]})
	default:
		return fault.New(fault.Invalid, "The form asks for nothing that can be done.")
	}
	return v.redirect(nav.Base + "/destinations")
}

func (u *UI) destinationNamed(v *visit, text string) (alert.Destination, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return alert.Destination{}, fault.New(fault.Unknown, "There is no such destination.")
	}
	return u.Store.Destination(v.r.Context(), v.principal.Organization.ID, id)
}

func (u *UI) testDestination(v *visit, id, projectID int64) view.Notice {
	res, err := u.Test(v.r.Context(), alert.TestRequest{Project: projectID, Organization: v.principal.Organization.ID, Destination: id, User: v.principal.UserID()})
	return testNotice(res, err)
}

// destinationOfPath returns the stored destination, or a new one of the channel that is asked for.
func (u *UI) destinationOfPath(v *visit) (alert.Destination, error) {
	if text := v.param("destination"); text != "" {
		return u.destinationNamed(v, text)
	}
	return alert.Destination{Organization: v.principal.Organization.ID, Channel: v.r.FormValue("channel"), Noise: alert.DefaultNoise, CreatedBy: v.principal.UserID()}, nil
}

func (u *UI) destination(v *visit) error {
	nav, _, err := u.alertsNav(v, "destinations", true)
	if err != nil {
		return err
	}
	d, err := u.destinationOfPath(v)
	if err != nil {
		return err
	}
	return u.drawDestination(v, http.StatusOK, nav, &d, func(*view.DestinationPage) {})
}

// changeDestination answers the editor's form.
func (u *UI) changeDestination(v *visit) error {
	nav, chosen, err := u.alertsNav(v, "destinations", true)
	if err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	d, err := u.destinationOfPath(v)
	if err != nil {
		return err
	}
	do := v.r.PostFormValue("do")
	if do == "delete" {
		if err := u.Store.DeleteDestination(v.r.Context(), v.principal.Organization.ID, d.ID); err != nil {
			return err
		}
		v.notify(view.Notice{Text: "Deleted."})
		return v.redirect(nav.Base + "/destinations")
	}
	typed, err := readDestination(v.r.PostFormValue, &d)
	var secret string
	if err == nil {
		secret, err = alertset.Apply(&d, typed, u.Key)
	}
	if err == nil {
		err = u.Store.PutDestination(v.r.Context(), &d)
	}
	if err != nil {
		if fault.KindOf(err) != fault.Invalid {
			return err
		}
		return u.drawDestination(v, http.StatusBadRequest, nav, &d, func(page *view.DestinationPage) { page.Problem = fault.Public(err) })
	}
	v.notify(view.Notice{Text: "Saved."})
	if do == "try" {
		v.notify(u.testDestination(v, d.ID, firstID(chosen)))
	}
	if secret != "" {
		return u.drawDestination(v, http.StatusOK, nav, &d, func(page *view.DestinationPage) { page.Secret = secret })
	}
	return v.redirect(nav.Base + "/destinations/" + strconv.FormatInt(d.ID, 10))
}

// readDestination reads the editor's form.
func readDestination(form func(string) string, d *alert.Destination) (alertset.Typed, error) {
	t := alertset.Typed{Channel: d.Channel, Name: form("name"), Settings: delivery.Settings{}, Paused: form("paused") != "", Noise: d.Noise}
	sp, known := channels.Spec(d.Channel)
	if !known {
		return t, fault.New(fault.Invalid, "There is no channel %.40q.", d.Channel)
	}
	for _, f := range sp.Fields {
		t.Settings[f.Name] = form("s-" + f.Name)
	}
	for name, set := range map[string]func(int){"budget": func(n int) { t.Noise.Budget = n }, "min": func(n int) { t.Noise.DigestMin = time.Duration(n) * time.Minute },
		"max": func(n int) { t.Noise.DigestMax = time.Duration(n) * time.Minute }} {
		text := strings.TrimSpace(form(name))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1<<20 {
			return t, fault.New(fault.Invalid, "%.40q is not a number.", text)
		}
		set(n)
	}
	return t, nil
}

// drawDestination shows the editor; more adds what only this answer has.
func (u *UI) drawDestination(v *visit, status int, nav view.AlertsNav, d *alert.Destination, more func(*view.DestinationPage)) error {
	sp, known := channels.Spec(d.Channel)
	if !known {
		return fault.New(fault.Unknown, "There is no such channel.")
	}
	page := view.DestinationPage{Nav: nav, Action: nav.Base + "/destinations/new", Channel: sp.Name, Label: sp.Label, About: sp.About, Name: d.Name, Target: d.Target,
		Budget: strconv.Itoa(d.Noise.Budget), Min: strconv.Itoa(int(d.Noise.DigestMin / time.Minute)), Max: strconv.Itoa(int(d.Noise.DigestMax / time.Minute)),
		Paused: d.Paused, Trouble: trouble(d)}
	var stored delivery.Settings
	if d.ID != 0 {
		page.ID = strconv.FormatInt(d.ID, 10)
		page.Action = nav.Base + "/destinations/" + page.ID
		if d.Channel == alert.ChannelSlack {
			page.Endpoint = u.BaseURL + "/api/v1/slack/" + page.ID + "/"
		}
		if u.Key != nil {
			stored, _ = delivery.Open(d.Organization, d.Settings, u.Key) // unreadable: all must be typed again
		}
	}
	for _, f := range sp.Fields {
		field := view.SettingField{Name: f.Name, Label: f.Label, Help: f.Help, Required: f.Required, Stored: stored[f.Name] != ""}
		switch f.Kind {
		case delivery.FieldSecret:
			field.Type = "password"
		case delivery.FieldURL:
			field.Type = "url"
		case delivery.FieldChoice:
			pairs := []string{"", "—"}
			for _, c := range f.Choices {
				pairs = append(pairs, c, c)
			}
			field.Type, field.Choices, field.Stored = "select", choices(stored[f.Name], pairs...), false
		default:
			field.Type, field.Value, field.Stored = "text", stored[f.Name], false
		}
		page.Fields = append(page.Fields, field)
	}
	if d.Channel == alert.ChannelWebhook {
		page.Verify = "printf %s \"$BODY\" | openssl dgst -sha256 -hmac \"$SECRET\"\n# equals the header Sentry-Hook-Signature"
	}
	page.Sample = u.sample(v, sp)
	more(&page)
	v.base.Crumbs = []view.Link{{Label: "Alerts", Href: nav.Base}, {Label: "Destinations", Href: nav.Base + "/destinations"}, {Label: or(d.Name, "New")}}
	return v.render(status, or(d.Name, "New destination"), func(pg view.Page) component { return view.Destination(pg, page) })
}

// sample is what a message says, in plain text.
func (u *UI) sample(v *visit, sp *delivery.Spec) string {
	org := v.principal.Organization
	change := alert.Sample(1, org.Slug, "sample", org.Name, v.base.Now)
	m := delivery.Compose(&alert.Notice{Kind: alert.NoticeTest, Rule: alert.Rule{ID: 1, Name: "Sample rule"}, Change: change, Detail: alert.SampleDetail(), BaseURL: u.BaseURL})
	return sp.Label + ": " + m.Subject + "\n\n" + m.Plain()
}

// firstID is the project whose sample a test sends: the first of those that are shown; 0: none.
func firstID(list []project.Project) int64 {
	if len(list) == 0 {
		return 0
	}
	return list[0].ID
}
