package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// policy lets a page use what this server sends and nothing else: no inline scripts or styles, no
// evaluation, no other origin, no frames around it, and no HTML made from text by scripts.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'"

// headers sets what every answer to a browser carries.
func (u *UI) headers(next http.Handler) http.Handler {
	policy := policy + "; connect-src " + u.connectSources()
	secure := strings.HasPrefix(u.BaseURL, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "private, no-store")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses requests that change something and come from another site's page.
func (u *UI) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	if base, err := url.Parse(u.BaseURL); err == nil && base.Host != "" {
		// A proxy may change the host that we see; our own address is never foreign. It cannot be
		// refused, since it is an origin by construction.
		_ = protection.AddTrustedOrigin(base.Scheme + "://" + base.Host)
	}
	protection.SetDenyHandler(u.openHandler(func(*visit) error {
		return fault.New(fault.Denied, "This request came from another site, so it was not carried out.")
	}))
	return protection.Handler(next)
}

// isLocal reports whether path is an address on this server and nowhere else, however a browser
// may read it: one slash, no backslash, no escaped slash in its first segment, no control character.
func isLocal(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || len(path) > 2048 {
		return false
	}
	for _, c := range path {
		if c < 0x20 || c == 0x7f || c == '\\' {
			return false
		}
	}
	first, _, _ := strings.Cut(strings.ToLower(path[1:]), "/")
	if strings.Contains(first, "%2f") || strings.Contains(first, "%5c") {
		return false
	}
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && !strings.HasPrefix(u.Path, "//")
}

// localOr is path when it is local, else fallback.
func localOr(path, fallback string) string {
	if isLocal(path) {
		return path
	}
	return fallback
}
