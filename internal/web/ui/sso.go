package ui

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// signing lists the algorithms that identity tokens may be signed with: none of the symmetric ones.
var signing = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// ssoFor is how long somebody may take at their provider.
const ssoFor = 10 * time.Minute

// relier is this installation as a client of one organization's provider.
type relier struct {
	provider *oidc.Provider
	config   oauth2.Config
	stored   postgres.IdentityProvider
}

// relier discovers an organization's provider. Its address is the user's choice, so it is reached
// through the guarded dialler alone.
func (u *UI) relier(ctx context.Context, p postgres.IdentityProvider) (*relier, context.Context, error) {
	ctx = oidc.ClientContext(ctx, u.Outbound)
	provider, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, ctx, fault.Wrap(err, fault.Invalid, "The provider at %s does not answer as an OpenID provider: %s", p.Issuer, whyNot(err))
	}
	var secret []byte
	if p.ClientSecret != "" {
		if secret, err = u.Key.Open(p.ClientSecret, clientContext(p.Organization)); err != nil {
			return nil, ctx, err
		}
	}
	return &relier{provider, oauth2.Config{ClientID: p.ClientID, ClientSecret: string(secret), Endpoint: provider.Endpoint(),
		RedirectURL: u.BaseURL + "/sso/" + p.Slug + "/callback", Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}, p}, ctx, nil
}

// clientContext is what an organization's client secret is sealed for.
func clientContext(org int64) string { return "sso " + idText(org) }

// whyNot is enough of a failure to tell a certificate from a wrong address.
func whyNot(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line[:min(len(line), 200)]
}

// startSSO sends the reader to their organization's provider.
func (u *UI) startSSO(v *visit) error {
	ctx := v.r.Context()
	p, err := u.Store.IdentityProvider(ctx, v.param("org"))
	if err != nil {
		return err
	}
	r, _, err := u.relier(ctx, p)
	if err != nil {
		return err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	u.logins.Put(ctx, keySSO, strings.Join([]string{p.Slug, state, nonce, verifier, time.Now().UTC().Format(time.RFC3339)}, " "))
	u.logins.Put(ctx, keyNext, localOr(v.r.URL.Query().Get("next"), "/o/"+p.Slug+"/issues"))
	return v.redirect(r.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
}

// finishSSO answers the way back from the provider. What it says counts for this organization and
// no other: the identity is the issuer, the subject and the organization together.
func (u *UI) finishSSO(v *visit) error {
	ctx := v.r.Context()
	kept := strings.Fields(u.logins.PopString(ctx, keySSO)) // good once
	q := v.r.URL.Query()
	if len(kept) != 5 || kept[0] != v.param("org") || subtle.ConstantTimeCompare([]byte(kept[1]), []byte(q.Get("state"))) != 1 {
		return fault.New(fault.Denied, "This sign-in was not begun here, or took too long. Begin again.")
	}
	if begun, err := time.Parse(time.RFC3339, kept[4]); err != nil || time.Since(begun) > ssoFor {
		return fault.New(fault.Denied, "This sign-in took too long. Begin again.")
	}
	if text := q.Get("error"); text != "" {
		return fault.New(fault.Denied, "The provider refused: %.100s", text)
	}
	p, err := u.Store.IdentityProvider(ctx, kept[0])
	if err != nil {
		return err
	}
	vouched, err := u.exchange(ctx, p, q, kept[2], kept[3])
	if err != nil {
		return err
	}
	user, made, err := u.Store.SignInVouched(ctx, vouched)
	if err != nil {
		return err
	}
	if made {
		u.changedRights()
		who := &account.Principal{User: &user}
		who.Organization.ID = p.Organization
		u.trail().Record(ctx, v.r, who, audit.Note{Event: "member.join-sso", Target: user.Email, Data: map[string]any{"role": string(vouched.Role), "issuer": vouched.Issuer}})
	}
	next := localOr(u.logins.GetString(ctx, keyNext), "/o/"+p.Slug+"/issues")
	if err := u.enter(v, user, account.LoginSSO, p.Organization); err != nil {
		return err
	}
	return v.redirect(next)
}

// exchange trades the code for an identity token and checks it: signature, issuer, audience,
// expiry, nonce.
func (u *UI) exchange(ctx context.Context, p postgres.IdentityProvider, q url.Values, nonce, verifier string) (w postgres.Vouched, err error) {
	r, ctx, err := u.relier(ctx, p)
	if err != nil {
		return w, err
	}
	token, err := r.config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return w, fault.Wrap(err, fault.Denied, "The provider did not accept the sign-in.")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := r.provider.Verifier(&oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: signing}).Verify(ctx, raw)
	if err != nil || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 || id.Issuer != p.Issuer {
		return w, fault.Wrap(err, fault.Denied, "The provider's answer is not genuine.")
	}
	var claims struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some providers send a text
		Name     string `json:"name"`
	}
	if err := id.Claims(&claims); err != nil {
		return w, fault.Wrap(err, fault.Denied, "The provider's answer could not be read.")
	}
	if claims.Email == "" { // some providers tell it elsewhere only
		if info, err := r.provider.UserInfo(ctx, oauth2.StaticTokenSource(token)); err == nil && info.Subject == id.Subject {
			claims.Email, claims.Verified = info.Email, info.EmailVerified
		}
	}
	w = postgres.Vouched{Organization: p.Organization, Issuer: id.Issuer, Subject: id.Subject, Name: claims.Name, Role: p.DefaultRole}
	email, err := account.CheckEmail(claims.Email)
	if err == nil {
		_, domain, _ := strings.Cut(email, "@")
		verified := claims.Verified == true || claims.Verified == "true"
		w.Email, w.MayJoin = email, verified && slices.Contains(p.Domains, strings.ToLower(domain))
	}
	return w, nil
}

func (u *UI) sso(v *visit) error { return u.drawSSO(v, http.StatusOK, view.Flash{}) }

func (u *UI) drawSSO(v *visit, status int, f view.Flash) error {
	if err := v.principal.Require(account.OrgRead); err != nil {
		return err
	}
	slug := v.principal.Organization.Slug
	page := view.SSOPage{Flash: f, Slug: slug, MayWrite: v.principal.Scopes.Has(account.OrgAdmin), Callback: u.BaseURL + "/sso/" + slug + "/callback",
		Start: u.BaseURL + "/sso/" + slug, SCIM: u.BaseURL + "/scim/v2/" + slug}
	p, err := u.Store.IdentityProvider(v.r.Context(), slug)
	switch {
	case err == nil:
		page.Active, page.Issuer, page.ClientID, page.Domains, page.Required = true, p.Issuer, p.ClientID, strings.Join(p.Domains, ", "), p.Required
	case fault.KindOf(err) == fault.Unknown:
		p.DefaultRole = account.RoleMember
	default:
		return err
	}
	if f.Problem != "" {
		form := v.r.PostForm
		page.Issuer, page.ClientID, page.Domains, page.Required = form.Get("issuer"), form.Get("client"), form.Get("domains"), form.Get("required") != ""
	}
	for _, role := range account.Roles {
		if role != account.RoleOwner {
			page.Roles = append(page.Roles, view.Choice{Value: string(role), Label: role.Title(), Current: role == p.DefaultRole})
		}
	}
	return v.settingsPage(status, "Single sign-on", func(pg view.Page) component { return view.SSO(pg, page) })
}

func (u *UI) changeSSO(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if err := v.principal.Require(account.OrgAdmin); err != nil {
		return err
	}
	var err error
	if v.r.PostFormValue("do") == "remove" {
		err = u.removeSSO(v)
	} else {
		err = u.saveSSO(v)
	}
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawSSO(v, status, view.Flash{Problem: text})
	}
	if err != nil {
		return err
	}
	u.changedRights()
	return v.redirect(v.orgPath("/settings/sso"))
}

func (u *UI) removeSSO(v *visit) error {
	if v.r.PostFormValue("confirm") != v.principal.Organization.Slug {
		return fault.New(fault.Invalid, "Type %s to confirm that single sign-on is to be switched off.", v.principal.Organization.Slug)
	}
	v.note = audit.Note{Event: "sso.remove"}
	v.notify(view.Notice{Text: "Single sign-on is off."})
	return u.Store.DeleteIdentityProvider(v.r.Context(), v.principal.Organization.ID)
}

// saveSSO stores a provider that answers; its issuer must be the one it names itself.
func (u *UI) saveSSO(v *visit) error {
	form, ctx, org := v.r.PostForm, v.r.Context(), v.principal.Organization
	p := postgres.IdentityProvider{Organization: org.ID, Slug: org.Slug, Issuer: strings.TrimSpace(form.Get("issuer")), ClientID: strings.TrimSpace(form.Get("client")),
		DefaultRole: account.Role(form.Get("role")), Required: form.Get("required") != ""}
	if !p.DefaultRole.Valid() || p.DefaultRole == account.RoleOwner {
		return fault.New(fault.Invalid, "Choose a role below owner for new people.")
	}
	if p.ClientID == "" {
		return fault.New(fault.Invalid, "Enter the client id that the provider gave you.")
	}
	for d := range strings.FieldsFuncSeq(form.Get("domains"), func(c rune) bool { return c == ',' || c == ' ' }) {
		d = strings.ToLower(strings.TrimPrefix(d, "@"))
		if !strings.Contains(d, ".") || strings.ContainsAny(d, "@/:*") || len(d) > 253 {
			return fault.New(fault.Invalid, "%.60s is not a domain such as example.com.", d)
		}
		p.Domains = append(p.Domains, d)
	}
	if len(p.Domains) > 50 {
		return fault.New(fault.Invalid, "At most 50 domains.")
	}
	if secret := form.Get("secret"); secret != "" {
		p.ClientSecret = u.Key.Seal([]byte(secret), clientContext(org.ID))
	}
	if _, _, err := u.relier(ctx, p); err != nil {
		return err
	}
	v.note = audit.Note{Event: "sso.edit", Data: map[string]any{"issuer": p.Issuer, "domains": strings.Join(p.Domains, " "), "defaultRole": string(p.DefaultRole), "required": p.Required}}
	v.notify(view.Notice{Text: "Single sign-on is set up. Try it in a private window before you rely on it."})
	return u.Store.PutIdentityProvider(ctx, p)
}
