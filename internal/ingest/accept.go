package ingest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// receipt is what a client is told of what it sent.
type receipt struct {
	id     event.ID // zero when nothing needed one
	limits []quota.Limit
}

// accept takes the items of an envelope: the event is made durable, what is not kept is counted.
// Nothing is taken when it returns an error, but for what came before a file or report that could
// not be kept. fault.Invalid, fault.TooLarge: the envelope breaks a rule. fault.Limited: limits left
// nothing of it, or there is no room for the event; the receipt then has the limits to tell.
func (s *Service) accept(ctx context.Context, q *request, env *envelope.Envelope) (receipt, error) {
	if err := checkHeader(q, &env.Header); err != nil {
		return receipt{}, err
	}
	if name, err := checkItems(env.Items, s.cfg.MaxEventBytes); err != nil {
		reason := outcome.ReasonInvalidEnvelope
		if name != "" {
			reason = outcome.ReasonTooLarge + ":" + name
		}
		s.refuse(q, env.Items, outcome.Invalid, reason)
		return receipt{}, err
	}
	withCrash(env, s.cfg.MaxEventBytes)
	p := sortItems(env)
	rec := receipt{id: p.id}
	if !s.enforce(ctx, q, env, p, &rec) {
		return rec, errQuota(rec.limits)
	}
	if p.main != nil && p.spec.stored {
		if err := s.keep(ctx, q, env, p); err != nil {
			kind, reason := lost(err, &rec)
			for i := range env.Items {
				if p.done == nil || !p.done[i] {
					s.dropItem(q, env.Items, i, kind, reason)
				}
			}
			return rec, err
		}
	}
	err := s.keepCompanions(ctx, q, env, p, &rec)
	for i := range env.Items {
		s.countItem(q, env, p, i)
	}
	return rec, err
}

// checkHeader compares an envelope's DSN, when it has one, with how the request authenticated.
// Rule: getsentry/relay relay-server/src/envelope/mod.rs (parse_request)
func checkHeader(q *request, h *envelope.Header) error {
	if o := headerOrigin(h); o != "" && o != q.origin {
		return mismatch("origin")
	}
	if h.DSN == "" {
		return nil
	}
	d, err := dsn.Parse(h.DSN)
	switch {
	case err != nil:
		return envelope.Malformed(envelope.ErrInvalidHeader)
	case d.Project != q.client.project:
		return mismatch("project id")
	case d.Key != q.auth.Key:
		return mismatch("public key")
	}
	return nil
}

// headerOrigin is the page that an envelope's header names; empty when it names none.
func headerOrigin(h *envelope.Header) string {
	if !bytes.Contains(h.Raw, []byte(`"origin"`)) {
		return ""
	}
	var head struct {
		Origin string `json:"origin"`
	}
	if json.Unmarshal(h.Raw, &head) != nil {
		return ""
	}
	return head.Origin
}

func mismatch(what string) error {
	return envelope.Malformed(fault.New(fault.Invalid, "%s header mismatch between envelope and request", what))
}

// plan says what is done with each item of an envelope.
type plan struct {
	id      event.ID
	main    *envelope.Item // the event; nil when there is none
	spec    itemSpec       // of main
	limited bool           // main and what belongs to it are dropped by a limit
	logs    int            // log containers
	done    []bool         // items that are kept or counted already; nil for none
}

// sortItems finds the one event of an envelope and the id of everything that belongs to it.
func sortItems(env *envelope.Envelope) *plan {
	p := &plan{id: env.Header.EventID}
	needsID := false
	for i := range env.Items {
		spec := specOf(&env.Items[i])
		switch {
		case spec.event && p.main == nil:
			p.main, p.spec = &env.Items[i], spec
		case spec.single:
			p.logs++
		}
		needsID = needsID || spec.needsID
	}
	if p.id.IsZero() && p.main != nil {
		// The id in the payload is the next best: a client that repeats the request repeats it.
		if head, err := scanEvent(p.main.Payload); err == nil {
			p.id = head.id
		}
	}
	for i := range env.Items {
		// A report that came without its event says which one it is about.
		if it := &env.Items[i]; p.id.IsZero() && it.Type == event.ItemUserReport {
			if head, err := scanEvent(it.Payload); err == nil {
				p.id = head.id
			}
		}
	}
	if p.id.IsZero() && needsID {
		p.id = newEventID()
	}
	return p
}

// newEventID makes a random id.
func newEventID() (id event.ID) {
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// errQuota answers when limits left nothing of an envelope: wait for the longest of them.
// Rule: getsentry/relay relay-server/src/endpoints/common.rs (BadStoreRequest::RateLimited)
func errQuota(limits []quota.Limit) error {
	var after time.Duration
	for _, l := range limits {
		after = max(after, l.After)
	}
	return fault.New(fault.Limited, "dropped data due to a quota or internal rate limit being reached").
		RetryAfter(time.Duration(quota.Seconds(after)) * time.Second)
}

// overQuota reports whether all that stands against a request is a quota. Those who send once and
// never again are not told of one; that there was no room for what they sent, they are.
func overQuota(rec receipt, err error) bool {
	return fault.KindOf(err) == fault.Limited && !slices.ContainsFunc(rec.limits, func(l quota.Limit) bool { return l.Reason == outcome.ReasonBackpressure })
}

// keep makes the event durable.
func (s *Service) keep(ctx context.Context, q *request, env *envelope.Envelope, p *plan) error {
	raw := q.raw(p.main.Type, p.id, p.main.Payload)
	raw.SentAt = env.Header.SentAt
	if p.main.Type == "raw_security" {
		reports, bad := convertReports(q, p.main.Payload, p.main.Release, p.main.Environment)
		for reason, n := range bad {
			s.drop(q, outcome.Security, outcome.Invalid, reason, n)
		}
		if len(reports) == 0 {
			return nil
		}
		// The item has one id, and so makes one event.
		s.drop(q, outcome.Security, outcome.Invalid, outcome.ReasonDuplicateItem, int64(len(reports)-1))
		raw.ItemType, raw.Payload = "security", reports[0]
	}
	return s.store(ctx, &raw)
}

// fullWait is how long clients are told to wait when neither queue nor spool takes an event.
const fullWait = 60 * time.Second

// backpressure tells clients to hold everything back until there is room again.
var backpressure = quota.Limit{After: fullWait, Scope: quota.ScopeOrganization, Reason: outcome.ReasonBackpressure}

// lost says how an event that could not be made durable is counted, and tells the client to wait
// when that helps.
func lost(err error, rec *receipt) (outcome.Kind, string) {
	if fault.KindOf(err) != fault.Limited {
		return outcome.Invalid, outcome.ReasonInternal
	}
	rec.limits = append(rec.limits, backpressure)
	return outcome.RateLimited, outcome.ReasonBackpressure
}

// refuse counts every item of an envelope that is refused whole.
func (s *Service) refuse(q *request, list []envelope.Item, kind outcome.Kind, reason string) {
	for i := range list {
		s.dropItem(q, list, i, kind, reason)
	}
}

// countItem counts item i of an accepted envelope, unless the processor will.
func (s *Service) countItem(q *request, env *envelope.Envelope, p *plan, i int) {
	it := &env.Items[i]
	spec := specOf(it)
	kind, reason := outcome.Filtered, outcome.ReasonNotStored
	switch {
	case it == p.main && spec.stored, p.done != nil && p.done[i]:
		return
	case spec.event && it != p.main, spec.single && p.logs > 1:
		kind, reason = outcome.Invalid, outcome.ReasonDuplicateItem
	case spec.counting == countReport:
		s.countReport(q, &env.Header, it.Payload)
		return
	case spec.counting == countCheckIn:
		s.countChecked(q, it, spec, s.checkCheckIn(q, it), kind, reason)
		return
	case spec.check != nil:
		s.countChecked(q, it, spec, spec.check(q, env, it), kind, reason)
		return
	}
	s.dropItem(q, env.Items, i, kind, reason)
}
