package ui

import (
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// start is the page that sets a project up: its address, a snippet for each SDK, and what arrives.
func (u *UI) start(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	p, err := u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	keys, err := u.Store.Keys(v.r.Context(), p.ID)
	if err != nil {
		return err
	}
	page := view.StartPage{Project: u.projectView(v, p), PollHref: v.orgPath("/projects/" + p.Slug + "/waiting")}
	for _, k := range keys {
		if k.Active {
			page.DSN = u.dsnOf(k)
			page.Envelope = u.IngestURL + "/api/" + page.Project.ID + "/envelope/?sentry_key=" + k.PublicKey + "&sentry_version=7"
			page.Snippets = u.snippetsFor(page.Project, v.principal.Organization.Slug, k.PublicKey, page.DSN, v.r.URL.Query().Get("sdk"))
			break
		}
	}
	if page.Answer, err = u.arrivals(v, p); err != nil {
		return err
	}
	v.base.Section = view.SectionProjects
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: p.Name, Href: page.Project.Href}, {Label: "Set up"}}
	return v.render(http.StatusOK, "Set up "+p.Name, func(pg view.Page) component { return view.Start(pg, page) })
}

// waiting answers the page that waits for events: the newest one, and what was refused.
func (u *UI) waiting(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	p, err := u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	answer, err := u.arrivals(v, p)
	if err != nil {
		return err
	}
	return httpx.JSON(v.w, http.StatusOK, answer)
}

// refusedWithin is how far back refusals are told on the page that waits.
const refusedWithin = 15 * time.Minute

// arrivals is what of a project arrived last, and what was refused of late.
func (u *UI) arrivals(v *visit, p project.Project) (a view.Arrivals, err error) {
	ctx := v.r.Context()
	if p.FirstEventAt != nil {
		page, err := u.Store.Events(ctx, postgres.EventQuery{Project: p.ID, Limit: 1})
		if err != nil {
			return a, err
		}
		if len(page.Rows) == 1 {
			row, err := u.Store.IssueByID(ctx, v.principal.Organization.ID, page.Rows[0].Issue)
			if err != nil {
				return a, err
			}
			a.Title, a.ShortID, a.At = row.Title, row.ShortID, page.Rows[0].ReceivedAt
			a.Next = v.eventHref(&row, page.Rows[0].ID)
		}
	}
	from := v.base.Now.UTC().Add(-refusedWithin).Truncate(time.Minute)
	counts, err := u.Store.OutcomeCounts(ctx, postgres.OutcomeQuery{Projects: []int64{p.ID}, From: from, Step: time.Hour, Steps: 1})
	if err != nil {
		return a, err
	}
	sums := make(map[string]int64)
	for _, c := range counts {
		if c.Reason == outcome.ReasonNotStored {
			continue // what this server never keeps is no sign that something is set up wrong
		}
		switch c.Outcome {
		case outcome.Filtered, outcome.RateLimited, outcome.Invalid:
			sums[refusal(c.Outcome, c.Reason)] += c.Quantity
		}
	}
	for words, n := range sums {
		a.Refused = append(a.Refused, view.Refusal{Words: words, Count: n})
	}
	sort.Slice(a.Refused, func(i, j int) bool { return a.Refused[i].Words < a.Refused[j].Words })
	return a, nil
}

// refusals say what a reason means and what to do about it.
var refusals = map[string]string{
	outcome.ReasonProjectID:          "the key in the DSN is unknown, switched off, or of another project: copy the DSN again",
	outcome.ReasonCORS:               "the page's origin is not among those that the project allows",
	outcome.ReasonNoData:             "the request had no body",
	outcome.ReasonEmptyEnvelope:      "the envelope had no items",
	outcome.ReasonInvalidJSON:        "the body is not JSON",
	outcome.ReasonInvalidEnvelope:    "the envelope is broken",
	outcome.ReasonInvalidCompression: "the compression cannot be undone",
	outcome.ReasonContentType:        "the content type or encoding is not known",
	outcome.ReasonPayload:            "the body is neither JSON nor a wrapped form of it",
	outcome.ReasonDuplicate:          "an event of this id was stored before",
	outcome.ReasonTimestamp:          "the event is too old or lies in the future: look at the clock",
	outcome.ReasonKeyQuota:           "the client key is over its limit",
	outcome.ReasonBackpressure:       "the server is full at the moment; the SDK tries again",
	outcome.ReasonInternal:           "something went wrong here; see the dead letters",
	"browser-extensions":             "the filter of browser extensions matched",
	"legacy-browsers":                "the filter of old browsers matched",
	"web-crawlers":                   "the filter of crawlers matched",
	"localhost":                      "the filter of local machines matched",
	"ip-address":                     "the filter of addresses matched",
	"release-version":                "the filter of releases matched",
	"error-message":                  "the filter of messages matched",
}

// refusal is why items were refused, in words.
func refusal(kind outcome.Kind, reason string) string {
	head, what, _ := strings.Cut(reason, ":")
	if words := refusals[reason]; words != "" {
		return words
	}
	if head == outcome.ReasonTooLarge {
		return strings.TrimSpace(strings.ReplaceAll(what, "_", " ") + " is larger than is taken")
	}
	words := strings.ReplaceAll(reason, "_", " ")
	switch kind {
	case outcome.Filtered:
		return "filtered: " + words
	case outcome.RateLimited:
		return "over a limit: " + words
	}
	return words
}

// connectSources is where scripts of pages may send to: here, and where SDKs report to, so that a
// test event takes the way of real ones.
func (u *UI) connectSources() string {
	base, err1 := url.Parse(u.BaseURL)
	ingest, err2 := url.Parse(u.IngestURL)
	if err1 != nil || err2 != nil || ingest.Host == "" || ingest.Scheme+ingest.Host == base.Scheme+base.Host || strings.ContainsAny(ingest.Host, " ;,'\"") {
		return "'self'"
	}
	return "'self' " + ingest.Scheme + "://" + ingest.Host
}
