package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// orgTokens lists the tokens of the organization's own.
func (u *UI) orgTokens(v *visit) error {
	if err := v.principal.Require(account.OrgRead); err != nil {
		return err
	}
	return u.drawTokens(v, http.StatusOK, view.TokensPage{Action: v.orgPath("/settings/tokens"), MayWrite: v.principal.Scopes.Has(account.OrgWrite)})
}

// myTokens lists the reader's own tokens, in every organization of theirs.
func (u *UI) myTokens(v *visit) error {
	return u.drawTokens(v, http.StatusOK, view.TokensPage{Action: "/account/tokens", Mine: true, MayWrite: true})
}

func (u *UI) drawTokens(v *visit, status int, page view.TokensPage) error {
	ctx := v.r.Context()
	owner := int64(0)
	places := []account.Membership{{Organization: v.principal.Organization}}
	if page.Mine {
		owner, places = v.principal.UserID(), v.memberships
	}
	for _, m := range places {
		list, err := u.Store.Tokens(ctx, m.Organization.ID, owner)
		if err != nil {
			return err
		}
		projects, err := u.Store.Projects(ctx, m.Organization.ID)
		if err != nil {
			return err
		}
		for _, t := range list {
			row := view.Token{ID: idText(t.ID), Name: t.Name, Kind: string(t.Kind), Last: t.LastCharacters, Scopes: t.Scopes.Strings(), Creator: t.Creator, Made: t.CreatedAt}
			if page.Mine {
				row.Creator, row.Org, row.ID = "", m.Organization.Name, idText(m.Organization.ID)+"/"+row.ID
			}
			if t.LastUsedAt != nil {
				row.Used = *t.LastUsedAt
			}
			if t.ExpiresAt != nil {
				row.Expires, row.Expired = *t.ExpiresAt, !t.ExpiresAt.After(v.base.Now)
			}
			for _, p := range projects {
				if slices.Contains(t.Projects, p.ID) {
					row.Projects = append(row.Projects, p.Slug)
				}
			}
			page.Tokens = append(page.Tokens, row)
		}
		if page.Mine {
			page.Orgs = append(page.Orgs, view.Choice{Value: idText(m.Organization.ID), Label: m.Organization.Name})
			continue
		}
		for _, p := range projects {
			page.Projects = append(page.Projects, view.Choice{Value: p.Slug, Label: p.Name})
		}
	}
	usual := []account.Scope{account.OrgCI}
	if page.Mine {
		usual = []account.Scope{account.OrgRead, account.ProjectRead, account.EventRead}
	}
	for _, s := range account.AllScopes {
		if v.mayGive(s, page.Mine) {
			page.Scopes = append(page.Scopes, view.Choice{Value: string(s), Label: string(s), Current: slices.Contains(usual, s)})
		}
	}
	draw := func(p view.Page) component { return view.Tokens(p, page) }
	if page.Mine {
		v.base.Section = view.SectionAccount
		return v.render(status, "Tokens", draw)
	}
	return v.settingsPage(status, "Tokens", draw)
}

// mayGive reports whether the reader may put a scope into a token.
func (v *visit) mayGive(s account.Scope, mine bool) bool {
	return v.principal.Scopes.Has(s) || s == account.OrgCI && !mine
}

func (u *UI) changeOrgTokens(v *visit) error {
	if err := v.principal.Require(account.OrgWrite); err != nil {
		return err
	}
	return u.changeTokens(v, view.TokensPage{Action: v.orgPath("/settings/tokens"), MayWrite: true})
}

func (u *UI) changeMyTokens(v *visit) error {
	return u.changeTokens(v, view.TokensPage{Action: "/account/tokens", Mine: true, MayWrite: true})
}

func (u *UI) changeTokens(v *visit, page view.TokensPage) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	var err error
	switch v.r.PostFormValue("do") {
	case "create":
		page.Flash, err = u.makeToken(v, page.Mine)
	case "revoke":
		page.What, err = u.revokeToken(v, page.Mine)
	default:
		err = fault.New(fault.Invalid, "The form asks for something unknown.")
	}
	if text, status, ok := turnedDown(err); ok && err != nil {
		page.Problem, page.Name = text, v.r.PostFormValue("name")
		return u.drawTokens(v, status, page)
	}
	if err != nil {
		return err
	}
	if page.Secret != "" {
		return u.drawTokens(v, http.StatusOK, page)
	}
	v.notify(view.Notice{Text: page.What})
	return v.redirect(page.Action)
}

func (u *UI) makeToken(v *visit, mine bool) (f view.Flash, err error) {
	form, ctx := v.r.PostForm, v.r.Context()
	t := account.Token{Organization: v.principal.Organization.ID, Name: strings.TrimSpace(form.Get("name")), CreatedBy: v.principal.UserID()}
	who := v.principal
	if mine {
		t.User, t.Kind = v.principal.UserID(), account.TokenUser
		if who, err = v.memberOf(form.Get("org")); err != nil {
			return f, err
		}
		t.Organization = who.Organization.ID
	}
	if t.Name == "" || len([]rune(t.Name)) > 255 {
		return f, fault.New(fault.Invalid, "Say what the token is for, in 1 to 255 characters.")
	}
	for _, s := range form["scope"] {
		scope := account.Scope(s)
		if !slices.Contains(account.AllScopes, scope) || !who.Scopes.Has(scope) && (mine || scope != account.OrgCI) {
			return f, fault.New(fault.Invalid, "You cannot give %.40s, which you do not have.", s)
		}
		t.Scopes = append(t.Scopes, scope)
	}
	if !mine {
		if t.Kind, err = tokenKind(v, form.Get("kind")); err != nil {
			return f, err
		}
		for _, slug := range form["project"] {
			p, err := u.Store.Project(ctx, t.Organization, slug)
			if err != nil {
				return f, err
			}
			t.Projects = append(t.Projects, p.ID)
		}
		switch {
		case t.Kind == account.TokenProject && len(t.Projects) == 0:
			return f, fault.New(fault.Invalid, "Choose the projects of this token.")
		case t.Kind == account.TokenOrganization && len(t.Projects) > 0:
			t.Kind = account.TokenProject
		case t.Kind == account.TokenSCIM:
			t.Scopes, t.Projects = []account.Scope{account.MemberAdmin, account.TeamAdmin}, nil
		}
	}
	if len(t.Scopes) == 0 {
		return f, fault.New(fault.Invalid, "Choose at least one scope.")
	}
	if days, err := strconv.Atoi(form.Get("days")); err == nil && days > 0 && days <= 3650 {
		t.ExpiresAt = new(time.Now().Add(time.Duration(days) * 24 * time.Hour))
	}
	secret := account.NewUserToken()
	if !mine {
		secret = account.NewOrganizationToken(v.principal.Organization.Slug, u.BaseURL, time.Now())
	}
	if _, secret, err = u.Store.StoreToken(ctx, t, secret); err != nil {
		return f, err
	}
	v.note = audit.Note{Event: "token.create", Target: t.Name, Data: map[string]any{"scopes": strings.Join(t.Scopes.Strings(), " "), "kind": string(t.Kind)}}
	return view.Flash{Secret: secret, What: "Token " + t.Name + "."}, nil
}

func tokenKind(v *visit, text string) (account.TokenKind, error) {
	switch kind := account.TokenKind(text); kind {
	case "", account.TokenOrganization:
		return account.TokenOrganization, nil
	case account.TokenProject:
		return kind, nil
	case account.TokenSCIM:
		return kind, v.principal.Require(account.OrgAdmin)
	}
	return "", fault.New(fault.Invalid, "Choose one of the kinds.")
}

// memberOf is the reader as a member of one of their organizations, named by id; empty: the first.
func (v *visit) memberOf(id string) (*account.Principal, error) {
	for _, m := range v.memberships {
		if id == "" || idText(m.Organization.ID) == id {
			return &account.Principal{User: v.principal.User, Organization: m.Organization, Role: m.Role, Scopes: m.Role.Scopes(), Projects: m.Projects}, nil
		}
	}
	return nil, fault.New(fault.Invalid, "You are not a member of this organization.")
}

func (u *UI) revokeToken(v *visit, mine bool) (string, error) {
	ctx, name := v.r.Context(), v.r.PostFormValue("token")
	org, user := v.principal.Organization.ID, int64(0)
	if mine {
		place, rest, _ := strings.Cut(name, "/")
		who, err := v.memberOf(place)
		if err != nil {
			return "", err
		}
		org, user, name = who.Organization.ID, v.principal.UserID(), rest
	}
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return "", fault.New(fault.Unknown, "There is no such token any more.")
	}
	_, title, err := u.Store.RevokeOwnToken(ctx, org, user, id)
	if err != nil {
		return "", err
	}
	u.changedRights()
	v.note = audit.Note{Event: "token.revoke", Target: title}
	return "Token " + title + " is revoked.", nil
}
