package ui

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/httpx"
)

// WithReader lets pages' scripts and readers call the API with their login: a request without a
// token, but with a login, gets its principal, provided that it comes from our own pages.
func (u *UI) WithReader(api http.Handler) http.Handler {
	identified := u.sameOrigin(u.logins.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := u.reader(r)
		if err != nil {
			httpx.Error(w, r, err)
			return
		}
		if p != nil {
			r = r.WithContext(account.WithPrincipal(r.Context(), p))
		}
		api.ServeHTTP(w, r)
	})))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie(u.logins.Cookie.Name); err != nil || r.Header.Get("Authorization") != "" {
			api.ServeHTTP(w, r)
			return
		}
		identified.ServeHTTP(w, r)
	})
}

// reader is who signed in, as a member of the organization that an API path names, else of their
// first one; nil when nobody did.
func (u *UI) reader(r *http.Request) (*account.Principal, error) {
	p, known, err := u.session(r)
	if err != nil || !known {
		return nil, err
	}
	named := organizationIn(r.URL.Path)
	vouched := u.logins.GetInt64(r.Context(), keyOrg) != 0
	for _, m := range p.memberships {
		if !vouched && (m.SSORequired && m.Role != account.RoleOwner || m.NeedsFactor && !p.hasFactor) {
			continue // the pages lead them to what is missing
		}
		if named == "" || m.Organization.Slug == named {
			return &account.Principal{User: &p.user, Organization: m.Organization, Role: m.Role, Scopes: m.Role.Scopes(), Projects: m.Projects}, nil
		}
	}
	return nil, nil
}

// organizationIn is the organization in /api/0/organizations/{org}/… and /api/N/projects/{org}/….
func organizationIn(path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/api/"), "/", 4)
	if len(parts) >= 3 && (parts[1] == "organizations" || parts[1] == "projects" || parts[1] == "teams") {
		return parts[2]
	}
	return ""
}
