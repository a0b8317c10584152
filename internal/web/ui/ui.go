package ui

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // readers choose time zones, and a minimal container has none

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/klauspost/compress/gzhttp"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
	"github.com/tocsin-dev/tocsin/internal/web/ui/assets"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// Options are what the pages work with.
type Options struct {
	Store     *postgres.Store
	Symbols   *symbol.Service
	BaseURL   string // address of the pages; https makes cookies secure
	IngestURL string // address in DSNs; empty: BaseURL
	Key       *seal.Key
	Done      <-chan struct{} // closed when the service stops: what is live ends; nil: never
	Blobs     blob.Store      // of what came with events
	Files     blob.Store      // of what was uploaded to make stacks readable
	Desk      *operate.Desk   // nil: there are no pages for operators
	// Outbound reaches identity providers; Mail sends a text, nil when this installation sends none.
	Outbound *http.Client
	Mail     func(ctx context.Context, to, subject, text string) error
	// RightsChanged is called after a change of who may do what; nil: nobody needs to know.
	RightsChanged func()
	Contract      []byte // api/openapi.yaml
	// Test sends a sample alert, Redeliver queues finished deliveries again.
	Test      func(context.Context, alert.TestRequest) (alert.TestResult, error)
	Redeliver func(context.Context, alert.RedeliverRequest) (alert.RedeliverResult, error)
	// Heartbeat is how often a synthetic event is sent; zero: never.
	Heartbeat time.Duration
}

// UI answers browsers. It is safe for concurrent use.
type UI struct {
	Options
	logins   *scs.SessionManager
	throttle account.Throttle
	people   people
	places   []place
	router   chi.Routes
	feeds    feeds
	mails    sync.WaitGroup
	contract sync.Once
	apiPage  *view.APIPage
	handler  http.Handler
}

// requestTimeout bounds the work on one page.
const requestTimeout = 8 * time.Second

// New returns the pages.
func New(o Options) *UI {
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	o.IngestURL = strings.TrimSuffix(o.IngestURL, "/")
	if o.IngestURL == "" {
		o.IngestURL = o.BaseURL
	}
	u := &UI{Options: o}
	u.logins = u.newLogins()
	u.handler = u.routes()
	return u
}

// ServeHTTP answers a request.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.handler.ServeHTTP(w, r) }

func (u *UI) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.GetHead, u.headers, compress, u.sameOrigin, limitTime, u.logins.LoadAndSave)
	r.Get("/login", u.open(u.loginForm))
	r.Post("/login", u.open(u.login))
	r.Post("/logout", u.open(u.logout))
	r.Get("/login/second", u.open(u.second))
	r.Post("/login/second", u.open(u.checkSecond))
	r.Post("/login/passkey/begin", u.open(u.beginPasskeyLogin))
	r.Post("/login/passkey/finish", u.open(u.finishPasskeyLogin))
	r.Get("/forgot", u.open(u.forgot))
	r.Post("/forgot", u.open(u.sendReset))
	r.Get("/reset/{token}", u.open(u.resetPage))
	r.Post("/reset/{token}", u.open(u.resetPassword))
	r.Get("/invite/{token}", u.open(u.invitePage))
	r.Post("/invite/{token}", u.open(u.acceptInvite))
	r.Get("/sso", u.open(u.ssoDoor))
	r.Get("/sso/{org}", u.open(u.startSSO))
	r.Get("/sso/{org}/callback", u.open(u.finishSSO))
	r.Get("/account/security", u.page(u.security))
	r.Post("/account/security", u.page(u.changeSecurity))
	r.Post("/account/passkeys/begin", u.page(u.beginPasskey))
	r.Post("/account/passkeys/finish", u.page(u.finishPasskey))
	r.Get("/account/sessions", u.page(u.sessions))
	r.Post("/account/sessions", u.page(u.changeSessions))
	r.Get("/account/tokens", u.page(u.myTokens))
	r.Post("/account/tokens", u.page(u.changeMyTokens))
	r.Get("/docs/api", u.page(u.apiReference))
	r.Get("/docs/api/openapi.yaml", u.page(u.apiContract))
	r.Get("/orgredirect/organizations/{slug}/settings/auth-tokens", u.page(u.tokenDoor))
	r.Get("/", u.page(u.filteredHome))
	r.Get("/account", u.page(u.account))
	r.Post("/account", u.page(u.saveAccount))
	r.Post("/account/look", u.page(u.changeLook))
	r.Get("/account/notifications", u.page(u.notifications))
	r.Post("/account/notifications", u.page(u.notifications))
	r.Get("/unsubscribe", u.open(u.unsubscribe))
	r.Post("/unsubscribe", u.open(u.unsubscribe))
	r.Get("/resume", u.page(u.resume))
	r.Get("/jump", u.page(u.jump))
	r.Get("/e/{event}", u.page(u.permalink))
	r.Get("/admin", u.page(func(v *visit) error { return v.redirect("/admin/health") }))
	r.Get("/admin/health", u.page(u.operators("health", u.health)))
	r.Get("/admin/queues", u.page(u.operators("queues", u.queues)))
	r.Post("/admin/queues", u.page(u.operators("queues", u.changeQueue)))
	r.Get("/admin/graph", u.page(u.operators("graph", u.graph)))
	r.Get("/admin/dlq", u.page(u.operators("dlq", u.deadLetters)))
	r.Post("/admin/dlq", u.page(u.operators("dlq", u.changeDead)))
	r.Get("/admin/dlq/groups/{group}", u.page(u.operators("dlq", u.deadGroup)))
	r.Get("/admin/dlq/{letter}", u.page(u.operators("dlq", u.deadLetter)))
	r.Get("/admin/dlq/{letter}/raw", u.page(u.operators("dlq", u.deadBytes)))
	r.Route("/o/{org}", func(r chi.Router) {
		r.Get("/", u.page(u.orgHome))
		r.Get("/issues", u.page(u.filtered(u.issues)))
		r.Post("/filters", u.page(u.chooseFilters))
		r.Get("/palette", u.page(u.palette))
		r.Post("/issues", u.page(u.changeIssues))
		r.Post("/views", u.page(u.changeViews))
		r.Get("/suggest", u.page(u.filtered(u.suggest)))
		r.Get("/issues/histogram", u.page(u.filtered(u.histogram)))
		r.Get("/issues/csv", u.page(u.filtered(u.exportCSV)))
		r.Get("/issues/{issue}/peek", u.page(u.peek))
		r.Get("/issues/{issue}", u.page(u.issue))
		r.Post("/issues/{issue}", u.page(u.changeIssue))
		r.Get("/issues/{issue}/events", u.page(u.issueEvents))
		r.Get("/issues/{issue}/tags", u.page(u.issueTags))
		r.Get("/issues/{issue}/activity", u.page(u.issueActivity))
		r.Post("/issues/{issue}/comments", u.page(u.changeComments))
		r.Get("/issues/{issue}/similar", u.page(u.issueSimilar))
		r.Get("/issues/{issue}/merged", u.page(u.issueMerged))
		r.Post("/issues/{issue}/merged", u.page(u.changeMerged))
		r.Get("/issues/{issue}/attachments", u.page(u.issueFiles))
		r.Get("/issues/{issue}/events/{event}/source-maps", u.page(u.eventDoctor))
		r.Get("/issues/{issue}/events/{event}", u.page(u.issue))
		r.Get("/issues/{issue}/events/{event}/json", u.page(u.eventJSON))
		r.Get("/issues/{issue}/events/{event}/raw", u.page(u.eventRaw))
		r.Get("/issues/{issue}/events/{event}/trace", u.page(u.eventTrace))
		r.Get("/issues/{issue}/events/{event}/markdown", u.page(u.eventMarkdown))
		r.Get("/issues/{issue}/events/{event}/attachments/{file}", u.page(u.eventFile))
		r.Get("/issues/{issue}/events/{event}/frames/{frame}", u.page(u.eventFrame))
		r.Get("/e/{event}", u.page(u.permalink))
		r.Get("/projects", u.page(u.projects))
		r.Get("/projects/new", u.page(u.newProject))
		r.Post("/projects/new", u.page(u.createProject))
		r.Get("/projects/{project}", u.page(u.project))
		r.Get("/projects/{project}/settings", u.page(u.projectGeneral))
		r.Post("/projects/{project}/settings", u.page(u.changeProjectGeneral))
		r.Get("/projects/{project}/grouping", u.page(u.grouping))
		r.Post("/projects/{project}/grouping", u.page(u.changeGrouping))
		r.Get("/projects/{project}/ownership", u.page(u.ownership))
		r.Post("/projects/{project}/ownership", u.page(u.changeOwnership))
		r.Get("/projects/{project}/retention", u.page(u.retention))
		r.Post("/projects/{project}/retention", u.page(u.changeRetention))
		r.Get("/projects/{project}/artifacts", u.page(u.artifacts))
		r.Post("/projects/{project}/artifacts", u.page(u.changeArtifacts))
		r.Get("/projects/{project}/artifacts/{bundle}", u.page(u.artifactBundle))
		r.Get("/projects/{project}/debug-files", u.page(u.debugFiles))
		r.Post("/projects/{project}/debug-files", u.page(u.changeDebugFiles))
		r.Get("/projects/{project}/jobs", u.page(u.jobs))
		r.Post("/projects/{project}/jobs", u.page(u.changeJobs))
		r.Get("/projects/{project}/keys", u.page(u.keys))
		r.Post("/projects/{project}/keys", u.page(u.changeKeys))
		r.Get("/stats", u.page(u.stats))
		r.Get("/releases", u.page(u.filtered(u.releases)))
		r.Get("/releases/{project}/{version}", u.page(u.release))
		r.Post("/releases/{project}/{version}", u.page(u.changeRelease))
		r.Get("/releases/{project}/{version}/commits", u.page(u.releaseCommits))
		r.Get("/releases/{project}/{version}/artifacts", u.page(u.releaseArtifacts))
		r.Get("/releases/{project}/{version}/compare", u.page(u.releaseCompare))
		r.Get("/projects/{project}/start", u.page(u.start))
		r.Get("/projects/{project}/waiting", u.page(u.waiting))
		r.Get("/projects/{project}/alerts", u.page(u.projectAlerts))
		r.Get("/projects/{project}/filters", u.page(u.filters))
		r.Post("/projects/{project}/filters", u.page(u.changeFilters))
		r.Get("/projects/{project}/privacy", u.page(u.privacy))
		r.Post("/projects/{project}/privacy", u.page(u.changePrivacy))
		r.Get("/alerts", u.page(u.alerts))
		r.Get("/alerts/new", u.page(u.newRule))
		r.Post("/alerts/new", u.page(u.changeRule))
		r.Get("/alerts/history", u.page(u.history))
		r.Post("/alerts/history", u.page(u.changeHistory))
		r.Get("/alerts/history/{pid}/{delivery}", u.page(u.deliveryPage))
		r.Get("/alerts/destinations", u.page(u.destinations))
		r.Post("/alerts/destinations", u.page(u.changeDestinations))
		r.Get("/alerts/destinations/new", u.page(u.destination))
		r.Post("/alerts/destinations/new", u.page(u.changeDestination))
		r.Get("/alerts/destinations/{destination}", u.page(u.destination))
		r.Post("/alerts/destinations/{destination}", u.page(u.changeDestination))
		r.Get("/alerts/{rule}", u.page(u.rule))
		r.Post("/alerts/{rule}", u.page(u.changeRule))
		r.Get("/settings", u.page(u.general))
		r.Post("/settings", u.page(u.changeGeneral))
		r.Get("/settings/members", u.page(u.members))
		r.Post("/settings/members", u.page(u.changeMembers))
		r.Get("/settings/teams", u.page(u.teams))
		r.Post("/settings/teams", u.page(u.changeTeams))
		r.Get("/settings/teams/{team}", u.page(u.team))
		r.Post("/settings/teams/{team}", u.page(u.changeTeam))
		r.Get("/settings/tokens", u.page(u.orgTokens))
		r.Post("/settings/tokens", u.page(u.changeOrgTokens))
		r.Get("/settings/sso", u.page(u.sso))
		r.Post("/settings/sso", u.page(u.changeSSO))
		r.Get("/settings/jobs", u.page(u.orgJobs))
		r.Get("/settings/audit", u.page(u.auditLog))
	})
	// Addresses that Sentry's clients and people's notes contain.
	r.Get("/organizations/{org}/issues", u.page(u.orgHome))
	r.Get("/organizations/{org}/issues/{issue}", u.page(u.deepLink))
	r.Get("/organizations/{org}/issues/{issue}/events/{event}", u.page(u.deepLink))
	r.Get("/{org}/{project}/issues/{issue}", u.page(u.deepLink))
	r.Get("/{org}/{project}/issues/{issue}/events/{event}", u.page(u.deepLink))
	r.NotFound(u.open(u.notFound))
	r.MethodNotAllowed(u.open(u.notFound))

	u.router, u.places = r, findPlaces(r)

	root := http.NewServeMux()
	root.Handle(assets.Prefix, u.headers(http.HandlerFunc(assets.Serve)))
	root.Handle("/o/{org}/live", u.liveRoutes())
	root.Handle("/", r)
	return root
}

// liveRoutes answer for as long as a page is open: neither packed nor limited in time.
func (u *UI) liveRoutes() http.Handler {
	r := chi.NewRouter()
	r.Use(u.headers, u.logins.LoadAndSave)
	r.Get("/o/{org}/live", u.page(u.live))
	return r
}

// notFound answers addresses that mean nothing here. Those that only end in a slash too many are
// led to the right one.
func (u *UI) notFound(v *visit) error {
	path := v.r.URL.Path
	if trimmed := strings.TrimRight(path, "/"); v.r.Method == http.MethodGet && trimmed != path && isLocal(trimmed) {
		target := url.URL{Path: trimmed, RawQuery: v.r.URL.RawQuery}
		return v.redirect(target.String())
	}
	if _, err := v.identify(); err != nil && fault.KindOf(err) != fault.Unknown { // for the frame around the answer
		return err
	}
	return fault.New(fault.Unknown, "There is no page at this address.")
}

// compress packs answers for browsers that can unpack them.
func compress(next http.Handler) http.Handler { return gzhttp.GzipHandler(next) }

func limitTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
