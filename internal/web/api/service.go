package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
	"github.com/tocsin-dev/tocsin/internal/web/upload"
)

// Options are the parts the API works with.
type Options struct {
	Store   *postgres.Store
	Blobs   blob.Store // of what came with events
	Files   blob.Store // of what was uploaded to make stacks readable
	Chunks  blob.Store // of pieces of such files
	Symbols *symbol.Service
	BaseURL string // of this installation, without a trailing slash
	Release string // of this program, as the index names it
	// IngestURL is what SDKs report to; empty: BaseURL.
	IngestURL string
	// Key seals the settings of alert actions; nil: rules cannot be written here.
	Key *seal.Key
	// Invite mails the link of an invite; nil: this installation sends no mail, and links are copied.
	Invite func(ctx context.Context, to, organization, inviter, link string)
	// Changed is called after a change of who may do what; nil: nobody needs to know.
	Changed func()
	// TestRule and Redeliver ask the notifier.
	TestRule  func(context.Context, alert.TestRequest) (alert.TestResult, error)
	Redeliver func(context.Context, alert.RedeliverRequest) (alert.RedeliverResult, error)
	// Desk looks after queues and dead letters; nil: this server does not.
	Desk *operate.Desk
}

// Service answers the API. It is safe for concurrent use.
type Service struct {
	Options
	holders holders
	uploads *upload.Service
	turns   turns
	mux     *http.ServeMux
}

// New returns the API; it answers every path under /api/0/ and /api/v1/.
func New(o Options) *Service {
	if o.IngestURL == "" {
		o.IngestURL = o.BaseURL
	}
	s := &Service{Options: o, uploads: upload.New(o.Store, o.Chunks, o.Files), mux: http.NewServeMux()}
	for _, r := range s.routes() {
		s.mux.Handle(r.method+" "+r.pattern+"{$}", s.handle(r))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, r, errAbsent(r.URL.Path)) })
	return s
}

// ServeHTTP answers paths with and without their trailing slash alike.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/") {
		r = r.Clone(r.Context())
		r.URL.Path += "/"
		if r.URL.RawPath != "" {
			r.URL.RawPath += "/"
		}
	}
	s.mux.ServeHTTP(w, r)
}

// request is one call with what the route found out about it.
type request struct {
	*http.Request
	who   *account.Principal // nil only where the route lets anybody in
	audit audit.Note         // what the handler knows of what it changed
}

// org is the id of the organization that the caller speaks for.
func (r *request) org() int64 { return r.who.Organization.ID }

type handler func(w http.ResponseWriter, r *request) error

type route struct {
	method, pattern string
	scopes          []account.Scope // any one suffices
	open            bool            // answers without credentials
	handler         handler
}

func errNotFound() error { return fault.New(fault.Unknown, "The requested resource does not exist") }

// handle authenticates and authorizes a call before its handler sees it. Every route goes through
// here, and a path that names an organization must name the caller's.
func (s *Service) handle(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "private, no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Vary", "Authorization, Cookie")
		r := &request{Request: hr}
		if err := s.admit(rt, r); err != nil {
			fail(w, hr, err)
			return
		}
		done, err := s.turns.take(hr.Context(), r.who)
		if err == nil {
			err = rt.handler(w, r)
			done()
		}
		if err == nil && rt.changes() {
			s.record(rt, r)
		}
		if err != nil {
			fail(w, hr, err)
		}
	})
}

// changes reports whether the route changes something: one that asks for no more than reading does
// not, whatever its method.
func (rt route) changes() bool {
	if rt.method == http.MethodGet || rt.method == http.MethodHead {
		return false
	}
	for _, scope := range rt.scopes {
		if strings.HasSuffix(string(scope), ":read") {
			return false
		}
	}
	return true
}

// record writes what a handler changed into the audit log.
func (s *Service) record(rt route, r *request) {
	n := r.audit
	if n.Event == "" {
		n.Event = audit.EventOf(rt.method, rt.pattern, "")
	}
	if n.Target == "" {
		n.Target = audit.TargetOf(rt.pattern, r.PathValue)
	}
	s.Trail().Record(r.Context(), r.Request, r.who, n)
}

// Trail writes the audit log.
func (s *Service) Trail() audit.Trail { return audit.Trail{Store: s.Store} }

func (s *Service) admit(rt route, r *request) (err error) {
	if r.who, err = s.authenticate(r.Request); err != nil {
		return err
	}
	if rt.open {
		return nil
	}
	if r.who == nil {
		return fault.New(fault.Unauthenticated, "Authentication credentials were not provided.")
	}
	if name := r.PathValue("org"); name != "" && !named(r.who.Organization.ID, r.who.Organization.Slug, name) {
		return errNotFound()
	}
	// From here on the store shows no project that is out of the caller's reach.
	r.Request = r.WithContext(account.WithPrincipal(r.Context(), r.who))
	if len(rt.scopes) == 0 {
		return nil
	}
	return r.who.Require(rt.scopes...)
}

// Scopes of groups of routes. Any one of a list suffices.
var (
	readOrg        = []account.Scope{account.OrgRead}
	readProject    = []account.Scope{account.ProjectRead}
	readEvents     = []account.Scope{account.EventRead}
	writeEvents    = []account.Scope{account.EventWrite}
	adminEvents    = []account.Scope{account.EventAdmin}
	writeProject   = []account.Scope{account.ProjectWrite}
	adminProject   = []account.Scope{account.ProjectAdmin}
	readReleases   = []account.Scope{account.ProjectRead, account.ProjectReleases, account.OrgCI}
	writeReleases  = []account.Scope{account.ProjectWrite, account.ProjectReleases, account.OrgCI}
	deleteReleases = []account.Scope{account.ProjectAdmin, account.ProjectReleases}
	readRepos      = []account.Scope{account.OrgRead, account.OrgCI, account.OrgIntegrations}
	writeRepos     = []account.Scope{account.OrgWrite, account.OrgIntegrations}
	ownProject     = []account.Scope{account.EventWrite, account.ProjectWrite} // members keep the rules of what they work on
	readAlerts     = []account.Scope{account.AlertsRead, account.ProjectRead}
	writeAlerts    = []account.Scope{account.AlertsWrite, account.ProjectWrite}
	readAlertsOf   = []account.Scope{account.AlertsRead, account.OrgRead}
	writeAlertsOf  = []account.Scope{account.AlertsWrite, account.OrgWrite}
)

func (s *Service) routes() []route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const org, proj, ours = "/api/0/organizations/{org}/", "/api/0/projects/{org}/{project}/", "/api/v1/projects/{org}/{project}/"
	list := []route{
		{get, "/api/0/", nil, true, s.index},
		{get, "/api/0/internal/health/", nil, true, s.internalHealth},
		{get, "/api/0/auth/", nil, false, s.whoAmI},
		{get, "/api/0/users/me/", nil, false, s.whoAmI},
		{get, "/api/0/users/me/regions/", nil, false, s.regions},
		{get, "/api/0/organizations/", readOrg, false, s.organizations},
		{get, org, readOrg, false, s.organization},
		{get, org + "projects/", readOrg, false, s.organizationProjects},
		{get, org + "environments/", readOrg, false, s.environments},
		{get, org + "repos/", readRepos, false, s.repositories},
		{post, org + "repos/", writeRepos, false, s.createRepository},
		{get, org + "stats_v2/", readOrg, false, s.stats},
		{get, org + "shortids/{short}/", readEvents, false, s.shortID},
		{get, org + "eventids/{event}/", readOrg, false, s.eventID},
		{get, org + "issues/", readEvents, false, s.listIssues},
		{get, org + "events/", readOrg, false, s.events},
		{get, org + "events-meta/", readOrg, false, s.eventsMeta},
		{get, org + "events-stats/", readOrg, false, s.eventsStats},
		{get, org + "events-timeseries/", readOrg, false, s.eventsTimeseries},
		{get, org + "tags/", readOrg, false, s.tagKeys},
		{get, org + "trace-items/attributes/", readOrg, false, s.itemAttributes},
		{get, org + "monitors/", []account.Scope{account.AlertsRead, account.OrgRead}, false, s.monitors},
		{get, org + "activity/", readEvents, false, s.organizationActivity},
		{post, "/api/v1/organizations/{org}/issues/undo/", writeEvents, false, s.undo},
		{get, "/api/0/shared/issues/{share}/", nil, true, s.sharedIssue},
		{get, org + "shared/issues/{share}/", nil, true, s.sharedIssue},
		{get, proj + "ownership/", readProject, false, s.ownership},
		{put, proj + "ownership/", ownProject, false, s.putOwnership},
		{get, proj + "codeowners/", readProject, false, s.codeOwners},
		{put, proj + "codeowners/", ownProject, false, s.putCodeOwners},
		{get, proj + "events/{event}/committers/", readProject, false, s.committers},
		{get, proj + "events/{event}/owners/", readProject, false, s.eventOwners},
		{put, org + "issues/", writeEvents, false, s.updateIssues},
		{get, "/api/0/projects/", readProject, false, s.projects},
		{get, proj, readProject, false, s.project},
		{put, proj, writeProject, false, s.updateProject},
		{get, proj + "filters/", readProject, false, s.filters},
		{put, proj + "filters/{filter}/", writeProject, false, s.putFilter},
		{get, ours + "filters/", readProject, false, s.filterSettings},
		{put, ours + "filters/", writeProject, false, s.putFilterSettings},
		{post, ours + "filters/preview/", readProject, false, s.filterPreview},
		{get, ours + "privacy/", readProject, false, s.privacy},
		{put, ours + "privacy/", writeProject, false, s.putPrivacy},
		{post, ours + "privacy/preview/", readProject, false, s.privacyPreview},
		{get, ours + "grouping/", readProject, false, s.grouping},
		{put, ours + "grouping/", writeProject, false, s.putGrouping},
		{post, ours + "grouping/preview/", readProject, false, s.groupingPreview},
		{get, ours + "retention/", readProject, false, s.retention},
		{put, ours + "retention/", writeProject, false, s.putRetention},
		{get, "/api/v1/organizations/{org}/jobs/", readEvents, false, s.organizationJobs},
		{get, ours + "jobs/", readEvents, false, s.jobs},
		{post, ours + "jobs/", adminEvents, false, s.startJob},
		{get, ours + "jobs/{id}/", readEvents, false, s.job},
		{post, ours + "jobs/{id}/cancel/", adminEvents, false, s.cancelJob},
		{get, ours + "jobs/{id}/download/", adminEvents, false, s.downloadExport},
		{get, ours + "discards/", readEvents, false, s.discards},
		{del, ours + "discards/{id}/", adminEvents, false, s.undiscard},
		{del, org + "issues/", adminEvents, false, s.deleteIssues},
		{del, proj + "issues/", adminEvents, false, s.deleteIssues},
		{get, proj + "keys/", readProject, false, s.keys},
		{post, proj + "keys/", writeProject, false, s.createKey},
		{get, proj + "keys/{public}/", readProject, false, s.key},
		{put, proj + "keys/{public}/", writeProject, false, s.updateKey},
		{del, proj + "keys/{public}/", adminProject, false, s.deleteKey},
		{get, ours + "quotas/", readProject, false, s.projectQuotas},
		{put, ours + "quotas/", writeProject, false, s.putProjectQuotas},
		{get, ours + "spike-protection/", readProject, false, s.spikeProtection},
		{put, ours + "spike-protection/", writeProject, false, s.putSpikeProtection},
		{post, org + "spike-protections/", writeProject, false, s.spikeProtections},
		{del, org + "spike-protections/", writeProject, false, s.spikeProtections},
		{get, org + "integrations/", []account.Scope{account.OrgRead, account.OrgIntegrations}, false, s.integrations},
		{get, org + "integrations/{id}/", []account.Scope{account.OrgRead, account.OrgIntegrations}, false, s.integration},
		{get, "/api/v1/organizations/{org}/quotas/", readOrg, false, s.organizationQuotas},
		{put, "/api/v1/organizations/{org}/quotas/", []account.Scope{account.OrgWrite}, false, s.putOrganizationQuotas},
		{post, ours + "keys/{public}/rotate/", adminProject, false, s.rotateKey},
		{get, proj + "environments/", readProject, false, s.environments},
		{get, proj + "environments/{environment}/", readProject, false, s.environment},
		{put, proj + "environments/{environment}/", writeProject, false, s.hideEnvironment},
		{get, proj + "issues/", readEvents, false, s.listIssues},
		{put, proj + "issues/", writeEvents, false, s.updateIssues},
		{get, proj + "events/", readProject, false, s.projectEvents},
		{get, proj + "events/{event}/", readProject, false, s.projectEvent},
		{get, proj + "events/{event}/json/", readProject, false, s.projectEventJSON},
		{get, proj + "events/{event}/grouping-info/", readProject, false, s.groupingInfo},
		{get, proj + "events/{event}/attachments/", readProject, false, s.eventAttachments},
		{get, proj + "events/{event}/attachments/{id}/", readProject, false, s.eventAttachment},
		{get, proj + "user-feedback/", readProject, false, s.projectFeedback},
		{post, proj + "user-feedback/", nil, true, s.postFeedback}, // a DSN or a token, which the handler asks for
		{get, ours + "deliveries/", readAlerts, false, s.deliveries},
		{get, ours + "deliveries/{id}/", readAlerts, false, s.delivery},
		{post, ours + "deliveries/{id}/redeliver/", writeAlerts, false, s.redeliver},
		{get, ours + "alert-rules/", readAlerts, false, s.rules},
		{put, ours + "alert-rules/", writeAlerts, false, s.putRule},
		{post, ours + "alert-rules/{id}/test/", writeAlerts, false, s.testRule},
		{del, ours + "alert-rules/{id}/", writeAlerts, false, s.deleteRule},
		{post, ours + "alert-rules/preview/", readAlerts, false, s.previewRule},
		{post, ours + "deliveries/redeliver/", writeAlerts, false, s.redeliverMany},
		{get, proj + "rules/", readAlerts, false, s.wireRules},
		{post, proj + "rules/", writeAlerts, false, s.createWireRule},
		{get, proj + "rules/configuration/", readAlerts, false, s.ruleConfiguration},
		{post, proj + "rules/preview/", readAlerts, false, s.previewWireRule},
		{get, proj + "rules/{id}/", readAlerts, false, s.wireRuleOne},
		{put, proj + "rules/{id}/", writeAlerts, false, s.updateWireRule},
		{del, proj + "rules/{id}/", writeAlerts, false, s.deleteRule},
		{post, proj + "rules/{id}/snooze/", writeAlerts, false, s.snoozeRule},
		{del, proj + "rules/{id}/snooze/", writeAlerts, false, s.unsnoozeRule},
		{get, proj + "rules/{id}/stats/", readAlerts, false, s.ruleStats},
		{get, proj + "rules/{id}/group-history/", readAlerts, false, s.ruleHistory},
		{get, "/api/v1/organizations/{org}/channels/", readAlerts, false, s.channelList},
		{get, "/api/v1/organizations/{org}/destinations/", readAlerts, false, s.destinations},
		{post, "/api/v1/organizations/{org}/destinations/", writeAlerts, false, s.createDestination},
		{get, "/api/v1/organizations/{org}/destinations/{id}/", readAlerts, false, s.destination},
		{put, "/api/v1/organizations/{org}/destinations/{id}/", writeAlerts, false, s.updateDestination},
		{del, "/api/v1/organizations/{org}/destinations/{id}/", writeAlerts, false, s.deleteDestination},
		{post, "/api/v1/organizations/{org}/destinations/{id}/test/", writeAlerts, false, s.testDestination},
		{post, "/api/v1/organizations/{org}/issues/{issue}/acknowledge/", writeEvents, false, s.acknowledge},
		{post, "/api/v1/slack/{id}/", nil, true, s.pressed},
	}
	list = append(list, s.accountRoutes()...)
	list = append(list, s.workflowRoutes()...)
	list = append(list, s.operatorRoutes()...)
	for _, in := range []string{org, proj} { // of all projects, or of one
		releases, rel := in+"releases/", in+"releases/{version}/"
		list = append(list,
			route{get, releases, readReleases, false, s.releases},
			route{post, releases, writeReleases, false, s.createRelease},
			route{get, rel, readReleases, false, s.release},
			route{put, rel, writeReleases, false, s.updateRelease},
			route{del, rel, deleteReleases, false, s.deleteRelease},
			route{get, rel + "meta/", readReleases, false, s.releaseMeta},
			route{get, rel + "previous-with-commits/", readReleases, false, s.previousWithCommits},
			route{get, rel + "commits/", readReleases, false, s.releaseCommits},
			route{get, rel + "commitfiles/", readReleases, false, s.releaseCommitFiles},
			route{get, rel + "repositories/", readReleases, false, s.releaseRepositories},
			route{get, rel + "resolved/", readReleases, false, s.releaseResolved},
			route{get, rel + "deploys/", readReleases, false, s.deploys},
			route{post, rel + "deploys/", writeReleases, false, s.createDeploy},
		)
	}
	for _, issue := range []string{org + "issues/{issue}/", "/api/0/issues/{issue}/"} { // one handler for both forms
		list = append(list,
			route{get, issue, readEvents, false, s.issue},
			route{put, issue, writeEvents, false, s.updateIssue},
			route{del, issue, adminEvents, false, s.deleteIssue},
			route{del, issue + "hashes/", writeEvents, false, s.unmerge},
			route{put, issue + "hashes/", writeEvents, false, s.unmerge},
			route{get, issue + "events/", readEvents, false, s.issueEvents},
			route{get, issue + "events/{event}/", readEvents, false, s.issueEvent},
			route{get, issue + "hashes/", readEvents, false, s.hashes},
			route{get, issue + "attachments/", readEvents, false, s.issueAttachments},
			route{get, issue + "user-reports/", readEvents, false, s.issueFeedback},
			route{get, issue + "user-feedback/", readEvents, false, s.issueFeedback},
			route{get, issue + "tags/", readEvents, false, s.tags},
			route{get, issue + "tags/{key}/", readEvents, false, s.tag},
			route{get, issue + "tags/{key}/values/", readEvents, false, s.tagValues},
			route{get, issue + "activities/", readEvents, false, s.activities},
			route{get, issue + "notes/", readEvents, false, s.notes},
			route{post, issue + "notes/", writeEvents, false, s.createNote},
			route{put, issue + "notes/{note}/", writeEvents, false, s.editNote},
			route{del, issue + "notes/{note}/", writeEvents, false, s.deleteNote},
			route{get, issue + "comments/", readEvents, false, s.notes},
			route{post, issue + "comments/", writeEvents, false, s.createNote},
			route{put, issue + "comments/{note}/", writeEvents, false, s.editNote},
			route{del, issue + "comments/{note}/", writeEvents, false, s.deleteNote},
			route{get, issue + "first-last-release/", readEvents, false, s.firstLastRelease},
			route{get, issue + "current-release/", readEvents, false, s.currentRelease},
			route{get, issue + "facts/", readEvents, false, s.facts},
		)
	}
	return append(list, s.uploadRoutes()...)
}
