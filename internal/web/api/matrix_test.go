package api_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/account"
)

// access is testdata/access.txt: for each route, the least role that may call it, and whether the
// token of a build machine may. A route that is not in it fails the build.
type access struct {
	least string // open, any (whoever has a token), or a role
	ci    bool
}

const accessFile = "testdata/access.txt"

// readAccess reads the table of the routes.
func readAccess(t *testing.T) map[string]access {
	t.Helper()
	raw, err := os.ReadFile(accessFile)
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[string]access)
	for n, line := range strings.Split(string(raw), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		least, ci := strings.CutSuffix(fields[0], "+ci")
		if len(fields) != 3 || least != "open" && least != "any" && !account.Role(least).Valid() {
			t.Fatalf("%s:%d: %q", accessFile, n+1, line)
		}
		table[fields[1]+" "+fields[2]] = access{least, ci}
	}
	return table
}

// may reports whether the table lets somebody with the role in; the role "" is a build machine.
func (a access) may(role account.Role) bool {
	switch {
	case a.least == "open", a.least == "any":
		return true
	case role == "":
		return a.ci
	}
	return role.AtLeast(account.Role(a.least))
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// fillPath puts the names of things into a route.
func fillPath(t testing.TB, route string, names map[string]string) string {
	t.Helper()
	kind := idKind(route)
	return placeholder.ReplaceAllStringFunc(route, func(p string) string {
		key := strings.Trim(p, "{}")
		if key == "id" {
			key = kind
		}
		name, known := names[key]
		if !known {
			t.Errorf("%s: the matrix has no %s", route, key)
		}
		return name
	})
}

// idKind is what {id} names in a route.
func idKind(route string) string {
	for _, kind := range []string{"alert-rules", "rules", "workflows", "detectors", "integrations", "destinations", "deliveries", "jobs", "discards", "org-auth-tokens", "attachments", "dead-letters", "slack"} {
		if strings.Contains(route, "/"+kind+"/") {
			return kind
		}
	}
	if strings.Contains(route, "/releases/{release}/files/") {
		return "release-files"
	}
	return "id"
}

// narrower are the parts of a path below the organization that name one thing of somebody.
var narrower = regexp.MustCompile(`\{(project|issue|event|short|id|public|team|member|note|bundle|version|release)\}`)

// TestTheAccessMatrix calls every route of the router as nobody, with tokens that are no longer
// good, as a stranger, as a build machine and in every role, on the caller's own things, on those of
// a project that its teams do not reach, and on those of another organization.
func TestTheAccessMatrix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := newMatrix(t, w)
	table := readAccess(t)
	routes := w.service.Patterns()
	slices.Sort(routes)
	for _, r := range routes {
		if _, listed := table[r]; !listed {
			t.Errorf("%s is missing from %s", r, accessFile)
		}
	}
	for r := range table {
		if !slices.Contains(routes, r) {
			t.Errorf("%s lists %s, which the router does not have", accessFile, r)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	before := m.theirs()
	var calls, refused atomic.Int64
	var work errgroup.Group
	work.SetLimit(8)
	for _, r := range routes {
		work.Go(func() error {
			nobody := m.strangers(r, table[r])
			refused.Add(int64(nobody))
			calls.Add(int64(nobody + m.roles(r, table[r]) + m.foreign(r, table[r])))
			return nil
		})
	}
	_ = work.Wait() // what went wrong was told to t
	if after := m.theirs(); after != before {
		t.Errorf("the things of others changed: %s", firstDifference(before, after))
	}
	t.Logf("%d routes, %d roles, %d calls, %d of them with one of %d tokens that are no good, without a scope or as a stranger", len(routes), len(account.Roles), calls.Load(), refused.Load(), len(m.nobody))
}

// strangers holds a route to what callers get who are nobody here: 401, and 404 for the member of
// another organization, whatever the path names.
func (m *matrix) strangers(r string, a access) (calls int) {
	method, route, _ := strings.Cut(r, " ")
	if a.least == "open" { // what it shows is decided by a secret in it, a signature or a DSN
		want := 200
		switch {
		case strings.Contains(r, "/slack/"):
			want = 404
		case strings.HasSuffix(r, "/user-feedback/"):
			want = 401
		}
		if got := m.callAs("", method, fillPath(m.t, route, m.own), "{}"); got.status != want {
			m.t.Errorf("%s without credentials: want %d, got %d: %.200s", r, want, got.status, got.body)
		}
		return 1
	}
	own := fillPath(m.t, route, m.own)
	for name, bearer := range m.nobody {
		got := m.callAs(bearer, method, own, `{"absent":1}`)
		calls++
		if got.status != 401 {
			m.t.Errorf("%s with %s: want 401, got %d: %.200s", r, name, got.status, got.body)
		}
	}
	if got := m.callAs(m.scopeless, method, own, `{"absent":1}`); a.least != "any" && !tokensOfOnesOwn.MatchString(route) && (got.status != 403 || !bytes.Contains(got.body, []byte(":"))) {
		m.t.Errorf("%s without a scope: want 403 and the scope that is needed, got %d: %.200s", r, got.status, got.body)
	}
	calls++
	if !strings.Contains(route, "{org}") && !strings.Contains(route, "{issue}") {
		if got := m.callAs(m.stranger, method, own, `{"absent":1}`); operates.MatchString(route) && got.status != 403 {
			m.t.Errorf("%s as the owner of an organization that does not run the installation: want 403, got %d", r, got.status)
		}
		return calls + 1 // else about the caller's own organization
	}
	got := m.callAs(m.stranger, method, own, `{"absent":1}`)
	absent := m.callAs(m.stranger, method, fillPath(m.t, route, m.absent), `{"absent":1}`)
	if got.status != 404 || absent.status != 404 || !bytes.Equal(got.body, absent.body) {
		m.t.Errorf("%s as the owner of another organization: want 404 whatever it names, got %d %.200s and %d %.200s", r, got.status, got.body, absent.status, absent.body)
	}
	return calls + 2
}

// tokensOfOnesOwn asks for no scope: a token may make tokens of no more than its own scopes.
var tokensOfOnesOwn = regexp.MustCompile(`^/api/0/api-tokens/$`)

// operates are the routes about the installation as a whole.
var operates = regexp.MustCompile(`^/api/v1/(queues|dead-letters|operator-actions)/`)

// roles holds a route to its line of the table. Writes name things that are not there or carry a
// member nobody knows, so that being let in changes nothing.
func (m *matrix) roles(r string, a access) (calls int) {
	method, route, _ := strings.Cut(r, " ")
	if a.least == "open" {
		return 0
	}
	for role, bearer := range m.bearers {
		names := m.own
		if method != "GET" {
			names = m.harmless
		}
		got := m.callAs(bearer, method, fillPath(m.t, route, names), `{"absent":1}`)
		calls++
		refused := got.status == 401 || got.status == 403
		switch may := a.may(role); {
		case may && refused:
			m.t.Errorf("%s as %q: %s says it may, got %d: %.200s", r, role, accessFile, got.status, got.body)
		case !may && got.status != 403:
			m.t.Errorf("%s as %q: want 403, got %d: %.200s", r, role, got.status, got.body)
		case may && method == "GET" && role == account.RoleOwner && got.status >= 400 && !mayBeAbsent[r]:
			m.t.Errorf("%s of one's own things: %d: %.200s", r, got.status, got.body)
		}
	}
	return calls
}

// mayBeAbsent are reads that answer 404 or 400 although their caller may, for want of a parameter or
// by what clients expect.
var mayBeAbsent = map[string]bool{
	"GET /api/0/organizations/{org}/stats_v2/": true, "GET /api/0/organizations/{org}/events/": true, "GET /api/0/users/me/regions/": true, "GET /api/v1/dead-letters/{id}/": true,
	"GET /api/v1/dead-letters/runs/{id}/": true, "GET /api/v1/projects/{org}/{project}/jobs/{id}/download/": true,
}

// named are routes where a release is a name rather than a thing: there may be files of one that was
// not made yet. What is somebody else's reads as what is not there, in whatever way that is.
var named = regexp.MustCompile(`releases/\{release\}/(files/$|assemble/)|releases/\{version\}/previous-with-commits/`)

// foreign holds a route to 404 for what is not the caller's, in the same words as for what does not
// exist at all; without the scope it is 403 for both.
func (m *matrix) foreign(r string, a access) (calls int) {
	method, route, _ := strings.Cut(r, " ")
	if a.least == "open" || !narrower.MatchString(route) || strings.HasPrefix(route, "/api/v1/dead-letters/") {
		return 0
	}
	for role, bearer := range m.bearers {
		if !a.may(role) {
			continue // refused before a name is looked at, which roles checks
		}
		for _, names := range m.others(role, route) {
			got := m.callAs(bearer, method, fillPath(m.t, route, names), `{"status":"resolved"}`)
			absent := m.callAs(bearer, method, fillPath(m.t, route, m.absentLike(names, route)), `{"status":"resolved"}`)
			calls += 2
			if got.status != 404 && !named.MatchString(route) || absent.status != got.status || !bytes.Equal(got.body, absent.body) {
				m.t.Errorf("%s as %q with %s %s: want 404 and the words for what is absent, got %d %.160s and %d %.160s",
					r, role, names["org"], names["project"], got.status, got.body, absent.status, absent.body)
			}
		}
	}
	return calls
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return fmt.Sprintf("%s became %s", x[i], y[min(i, len(y)-1)])
		}
	}
	return ""
}
