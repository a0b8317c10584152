package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// Windows that the forms of limits offer, in seconds.
var windows = []view.Choice{{Value: "60", Label: "minute"}, {Value: "3600", Label: "hour"}, {Value: "86400", Label: "day"}, {Value: "2592000", Label: "30 days"}}

// keys is the page of who may report to a project and how much.
func (u *UI) keys(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	p, err := u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	return u.drawKeys(v, p, http.StatusOK, "")
}

func (u *UI) drawKeys(v *visit, p project.Project, status int, problem string) error {
	keys, err := u.Store.Keys(v.r.Context(), p.ID)
	if err != nil {
		return err
	}
	page := view.KeysPage{Project: u.projectView(v, p), CanWrite: v.principal.Require(account.ProjectWrite) == nil, Problem: problem,
		Origins: strings.Join(p.Settings.AllowedOrigins, "\n"), Windows: windows}
	page.Action = page.Project.Href + "/keys"
	for _, k := range keys {
		one := view.KeyRow{Public: k.PublicKey, Label: k.Label, DSN: u.dsnOf(k), Active: k.Active, Created: k.CreatedAt, Windows: slices.Clone(windows)}
		if k.RateLimit != nil {
			one.Count, one.Window = strconv.Itoa(k.RateLimit.Count), strconv.FormatInt(int64(k.RateLimit.Window/time.Second), 10)
			if !slices.ContainsFunc(windows, func(c view.Choice) bool { return c.Value == one.Window }) {
				one.Windows = append(one.Windows, view.Choice{Value: one.Window, Label: k.RateLimit.Window.String()})
			}
		}
		page.Keys = append(page.Keys, one)
	}
	for _, q := range p.Settings.Quotas {
		row := view.QuotaRow{ID: q.ID, Limit: q.Limit, Window: q.Window.String(), Scope: string(q.Scope), Reason: q.Reason, What: "everything"}
		if len(q.Categories) > 0 {
			names := make([]string, len(q.Categories))
			for i, c := range q.Categories {
				names[i] = strings.ReplaceAll(c.String(), "_", " ")
			}
			row.What = strings.Join(names, ", ")
		}
		for _, w := range windows {
			if w.Value == strconv.FormatInt(int64(q.Window/time.Second), 10) {
				row.Window = w.Label
			}
		}
		page.Quotas = append(page.Quotas, row)
	}
	v.base.Section = view.SectionProjects
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: p.Name, Href: page.Project.Href}, {Label: "Keys"}}
	return v.render(status, "Keys of "+p.Name, func(pg view.Page) component { return view.Keys(pg, page) })
}

// changeKeys answers the forms of the page of keys, each for one thing.
func (u *UI) changeKeys(v *visit) error {
	if err := v.principal.Require(account.ProjectWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	p, err := u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	done, err := u.changeKey(v, p, v.r.PostFormValue("do"), v.r.PostFormValue("key"))
	if fault.KindOf(err) == fault.Invalid && err != nil {
		return u.drawKeys(v, p, http.StatusBadRequest, fault.Public(err))
	}
	if err != nil {
		return err
	}
	v.notify(view.Notice{Text: done})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/keys"))
}

func (u *UI) changeKey(v *visit, p project.Project, do, key string) (done string, err error) {
	ctx, form := v.r.Context(), v.r.PostForm
	switch do {
	case "create":
		label := strings.TrimSpace(form.Get("label"))
		if label == "" || len(label) > 64 {
			return "", fault.New(fault.Invalid, "A key has a name of 1 to 64 characters.")
		}
		_, err = u.Store.CreateKey(ctx, p.ID, label, nil)
		return "Made the key " + label + ".", err
	case "save":
		limit, err := limitOf(form)
		if err != nil {
			return "", err
		}
		label := strings.TrimSpace(form.Get("label"))
		if label == "" || len(label) > 64 {
			return "", fault.New(fault.Invalid, "A key has a name of 1 to 64 characters.")
		}
		_, err = u.Store.UpdateKey(ctx, p.ID, key, postgres.KeyChange{Label: &label, RateLimit: &limit})
		return "Saved.", err
	case "on", "off":
		_, err = u.Store.UpdateKey(ctx, p.ID, key, postgres.KeyChange{Active: ptr(do == "on")})
		return map[string]string{"on": "The key works again.", "off": "The key is switched off: what comes with it is refused."}[do], err
	case "rotate":
		_, err = u.Store.RotateKey(ctx, p.ID, key)
		return "Made a new key in its place; the old one is refused from now on.", err
	case "delete":
		if form.Get("confirm") != "delete" {
			return "", fault.New(fault.Invalid, "Type delete to confirm: whatever still uses the key is refused afterwards.")
		}
		return "Deleted the key.", u.Store.DeleteKey(ctx, p.ID, key)
	case "origins":
		_, err = u.Store.ChangeSettings(ctx, p.ID, func(s *project.Settings) error {
			s.AllowedOrigins = lines(form.Get("origins"))
			if len(s.AllowedOrigins) > 100 {
				return fault.New(fault.Invalid, "At most 100 origins can be named.")
			}
			return nil
		})
		return "Saved.", err
	case "quota":
		q, err := quotaOf(form)
		if err != nil {
			return "", err
		}
		list := slices.DeleteFunc(slices.Clone(p.Settings.Quotas), func(old quota.Quota) bool { return old.ID == q.ID })
		return "Saved the quota.", u.Store.PutProjectQuotas(ctx, p.ID, append(list, q))
	case "drop-quota":
		list := slices.DeleteFunc(slices.Clone(p.Settings.Quotas), func(old quota.Quota) bool { return old.ID == key })
		return "Removed the quota.", u.Store.PutProjectQuotas(ctx, p.ID, list)
	}
	return "", fault.New(fault.Invalid, "The form asks for nothing that can be done.")
}

// limitOf reads the limit of a key; nil is none.
func limitOf(form url.Values) (*project.RateLimit, error) {
	text := strings.TrimSpace(form.Get("count"))
	if text == "" || text == "0" {
		return nil, nil
	}
	n, err1 := strconv.Atoi(text)
	seconds, err2 := strconv.Atoi(form.Get("window"))
	if err1 != nil || err2 != nil || n < 1 || n > 1_000_000_000 || seconds < 1 || seconds > 31*24*3600 {
		return nil, fault.New(fault.Invalid, "A limit is a whole number of events; leave it empty for none.")
	}
	return &project.RateLimit{Count: n, Window: time.Duration(seconds) * time.Second}, nil
}

// quotaOf reads a quota of the project.
func quotaOf(form url.Values) (q quota.Quota, err error) {
	n, err1 := strconv.ParseInt(strings.TrimSpace(form.Get("limit")), 10, 64)
	seconds, err2 := strconv.Atoi(form.Get("window"))
	c, known := outcome.ParseCategory(form.Get("category"))
	if err1 != nil || err2 != nil || !known || n < 0 {
		return q, fault.New(fault.Invalid, "A quota is a whole number in a window, for one category.")
	}
	q = quota.Quota{ID: c.String() + "_" + form.Get("window"), Categories: []outcome.Category{c}, Scope: quota.ScopeProject, Limit: n,
		Window: time.Duration(seconds) * time.Second, Reason: c.String() + "_quota"}
	return q, q.Validate()
}
