package ui_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tocsin-dev/tocsin/internal/account"
)

// provider is an OpenID provider on a port of its own, which signs whoever asks in as its user. What
// it says can be bent.
type provider struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any // of the user
	bend   func(claims map[string]any)
	sign   any // instead of key
	codes  map[string]url.Values
	used   int // codes that were traded
}

const clientSecret = "the secret of the client"

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	return p
}

// authorize sends the browser back with a code, as after a sign-in.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != "tocsin" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || !strings.Contains(q.Get("scope"), "openid") {
		p.t.Errorf("an incomplete request: %v", q)
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

// token trades a code for an identity token; it holds the client to its secret and its challenge.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	asked, found := p.take(r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if secret, _ = url.QueryUnescape(secret); !found || id != "tocsin" || secret != clientSecret || asked.Get("redirect_uri") != r.FormValue("redirect_uri") ||
		asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	claims := map[string]any{"iss": p.URL, "aud": "tocsin", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "nonce": asked.Get("nonce")}
	for k, v := range p.claims {
		claims[k] = v
	}
	if p.bend != nil {
		p.bend(claims)
	}
	signing := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "one"}}
	if p.sign != nil {
		signing = jose.SigningKey{Algorithm: jose.HS256, Key: p.sign}
	}
	p.mu.Unlock()
	signer, err := jose.NewSigner(signing, nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": token})
}

// take is the request that a code was given for; a code is good once.
func (p *provider) take(code string) (url.Values, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q, found := p.codes[code]
	delete(p.codes, code)
	if found {
		p.used++
	}
	return q, found
}

// as sets who is signed in at the provider and how what it says is bent.
func (p *provider) as(subject, email string, verified any, bend func(map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.bend, p.sign = map[string]any{"sub": subject, "email": email, "email_verified": verified, "name": "Ann"}, bend, nil
}

// through goes the way of a sign-in and returns its last answer.
func (b *browser) through(p *provider, org string) (*http.Response, string) {
	b.s.t.Helper()
	res, body := b.get("/sso/" + org + "?next=/o/" + org + "/projects")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), p.URL+"/authorize?") {
		b.s.t.Fatalf("begin: %d %s\n%.1000s", res.StatusCode, res.Header.Get("Location"), body)
	}
	return b.get(strings.TrimPrefix(b.answered(res.Header.Get("Location")), b.s.server.URL))
}

// answered is where the provider sends the browser.
func (b *browser) answered(location string) string {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, location, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	res, _ := b.do(req)
	return res.Header.Get("Location")
}

// TestSingleSignOnBindsAnIdentityToItsOrganization walks the whole way with a provider, the good and
// the bad: what it says counts only when it is genuine, and only in the organization it belongs to.
func TestSingleSignOnBindsAnIdentityToItsOrganization(t *testing.T) {
	t.Parallel()
	s, p := newSite(t), newProvider(t)
	owner := s.signedIn()
	settings := url.Values{"issuer": {p.URL}, "client": {"tocsin"}, "secret": {clientSecret}, "domains": {"acme.example"}, "role": {"member"}}
	wrong := url.Values{"issuer": {p.URL + "/elsewhere"}, "client": {"tocsin"}, "role": {"member"}}
	owner.wantPost(http.StatusBadRequest, "/o/default/settings/sso", wrong)
	owner.wantPost(http.StatusSeeOther, "/o/default/settings/sso", settings)
	if page := owner.page("/o/default/settings/sso"); strings.Contains(page, clientSecret) {
		t.Error("the page tells the client's secret")
	}
	victim, err := s.store.CreateUser(t.Context(), "victim@acme.example", "", password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.CreateOrganization(t.Context(), "other", "Other", victim.ID); err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		subject, email string
		verified       any
		bend           func(map[string]any)
	}{
		"an address that is not verified":      {"s1", "bo@acme.example", false, nil},
		"an address of another domain":         {"s2", "bo@evil.example", true, nil},
		"an address that hides a domain":       {"s3", "bo@evil.example@acme.example", true, nil},
		"the address of another organization":  {"s4", "victim@acme.example", true, nil},
		"another issuer":                       {"s5", "bo@acme.example", true, func(m map[string]any) { m["iss"] = "https://login.example" }},
		"another audience":                     {"s6", "bo@acme.example", true, func(m map[string]any) { m["aud"] = "somebody else" }},
		"the nonce of another sign-in":         {"s7", "bo@acme.example", true, func(m map[string]any) { m["nonce"] = "replayed" }},
		"no nonce":                             {"s8", "bo@acme.example", true, func(m map[string]any) { delete(m, "nonce") }},
		"a token that ran out":                 {"s9", "bo@acme.example", true, func(m map[string]any) { m["exp"] = time.Now().Add(-time.Hour).Unix() }},
		"a signature by the client's secret":   {"s10", "bo@acme.example", true, func(map[string]any) { p.sign = []byte(clientSecret + clientSecret) }},
		"a signature by somebody else's key":   {"s11", "bo@acme.example", true, func(map[string]any) { p.key = stranger }},
		"no address at all":                    {"s12", "", true, nil},
		"an owner's address, but not verified": {"s13", s.made.Email, "false", nil},
	} {
		honest := p.key
		p.as(c.subject, c.email, c.verified, c.bend)
		b := s.browser()
		if res, body := b.through(p, "default"); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: want 403, got %d to %s\n%.600s", name, res.StatusCode, res.Header.Get("Location"), body)
		}
		if res, _ := b.get("/o/default/issues"); res.StatusCode == http.StatusOK {
			t.Errorf("%s opens pages", name)
		}
		p.key = honest
	}

	p.as("subject-1", "Ann@acme.example", "true", nil)
	ann := s.browser()
	if res, body := ann.through(p, "default"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/o/default/projects" {
		t.Fatalf("a genuine sign-in: %d %s\n%.800s", res.StatusCode, res.Header.Get("Location"), body)
	}
	ann.page("/o/default/projects")
	u, err := s.store.UserByEmail(t.Context(), "ann@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.store.Principal(t.Context(), u.ID, "default"); err != nil || m.Role != account.RoleMember {
		t.Errorf("she is %+v, %v", m, err)
	}

	// The subject counts, not the address: it may change, and others may be given the old one.
	p.as("subject-1", "ann.married@acme.example", true, nil)
	if res, _ := s.browser().through(p, "default"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("with a new address: %d", res.StatusCode)
	}
	// Who is vouched for here is not signed in anywhere else.
	if _, err := s.store.CreateOrganization(t.Context(), "second", "Second", u.ID); err != nil {
		t.Fatal(err)
	}
	vouched := s.browser()
	vouched.through(p, "default")
	if res, _ := vouched.get("/o/second/issues"); res.StatusCode != http.StatusNotFound {
		t.Errorf("one organization's provider opens another: %d", res.StatusCode)
	}
	// An answer to a sign-in that was begun elsewhere, and one that comes twice.
	res, _ := s.browser().get("/sso/default")
	back := strings.TrimPrefix(s.browser().answered(res.Header.Get("Location")), s.server.URL)
	if res, _ := s.browser().get(back); res.StatusCode != http.StatusForbidden {
		t.Errorf("the answer to somebody else's sign-in: %d", res.StatusCode)
	}
	b := s.browser()
	res, _ = b.get("/sso/default")
	back = strings.TrimPrefix(b.answered(res.Header.Get("Location")), s.server.URL)
	b.get(back)
	if res, _ := s.browser().get(back); res.StatusCode != http.StatusForbidden {
		t.Errorf("the same answer again: %d", res.StatusCode)
	}
	if res, _ := b.get("/sso/other"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an organization without a provider: %d", res.StatusCode)
	}

	// When it is required, a password opens the organization for its owners alone.
	settings.Set("required", "1")
	owner.wantPost(http.StatusSeeOther, "/o/default/settings/sso", settings)
	owner.page("/o/default/issues")
	m := s.member("mia@acme.example", account.RoleManager)
	if res, _ := m.get("/o/default/issues"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/sso/default?") {
		t.Errorf("a password opens an organization that asks for its provider: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	owner.wantPost(http.StatusBadRequest, "/o/default/settings/sso", url.Values{"do": {"remove"}, "confirm": {"yes"}})
	owner.wantPost(http.StatusSeeOther, "/o/default/settings/sso", url.Values{"do": {"remove"}, "confirm": {"default"}})
	m.page("/o/default/issues")
}
