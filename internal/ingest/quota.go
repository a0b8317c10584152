package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// keyCategories are what a client key's own limit covers.
// Rule: getsentry/sentry src/sentry/constants.py (DataCategory.error_categories)
var keyCategories = []outcome.Category{outcome.Default, outcome.Error, outcome.Security}

// rule is a quota as it applies to one client key.
type rule struct {
	quota.Quota
	name  string        // of its count
	shift time.Duration // of its windows
}

// rulesOf are the quotas of a key: its own limit, its project's and its organization's.
func rulesOf(s *project.Snapshot, k *project.SnapshotKey) []rule {
	var list []rule
	add := func(owner string, q quota.Quota) {
		instance := map[quota.Scope]int64{quota.ScopeOrganization: s.Organization, quota.ScopeProject: s.Project, quota.ScopeKey: k.ID}[q.Scope]
		if q.Validate() != nil || q.ScopeID != 0 && q.ScopeID != instance {
			return
		}
		r := rule{Quota: q, name: fmt.Sprintf("%s.%s.%s.%d", owner, q.ID, q.Scope, instance)}
		if q.Window > 0 {
			r.shift = time.Duration(s.Organization) * time.Second % q.Window
		}
		list = append(list, r)
	}
	if k.RateLimit != nil {
		add("key", quota.Quota{ID: "limit", Categories: keyCategories, Scope: quota.ScopeKey, Limit: int64(k.RateLimit.Count), Window: k.RateLimit.Window,
			Reason: outcome.ReasonKeyQuota})
	}
	if spikes := s.Settings.Spikes; spikes != nil && spikes.HourlyLimit > 0 {
		add("spikes", quota.Quota{ID: "hour", Categories: keyCategories, Scope: quota.ScopeProject, Limit: spikes.HourlyLimit, Window: time.Hour,
			Reason: outcome.ReasonSpike})
	}
	for _, q := range s.Settings.Quotas {
		add("project", q)
	}
	for _, q := range s.Quotas {
		add("organization", q)
	}
	return list
}

// spend takes n units of category c from every quota that has it. When one has too few it gives
// the others back, notes the limit in rec and returns its reason; otherwise "".
func (s *Service) spend(ctx context.Context, rules []rule, c outcome.Category, n int64, rec *receipt) string {
	for i := range rules {
		r := &rules[i]
		if !r.Has(c) {
			continue
		}
		after, ok := s.counters.Take(ctx, r.name, r.Limit, n, r.Window, r.shift)
		if ok {
			continue
		}
		s.giveBack(rules[:i], c, n)
		l := quota.Limit{After: after, Categories: r.Categories, Scope: r.Scope, Reason: r.Reason}
		if !slices.ContainsFunc(rec.limits, func(o quota.Limit) bool {
			return o.Scope == l.Scope && o.Reason == l.Reason && slices.Equal(o.Categories, l.Categories)
		}) {
			rec.limits = append(rec.limits, l)
		}
		return r.Reason
	}
	return ""
}

func (s *Service) giveBack(rules []rule, c outcome.Category, n int64) {
	for i := range rules {
		if r := &rules[i]; r.Has(c) {
			s.counters.Return(r.name, n, r.Window, r.shift)
		}
	}
}

// enforce holds the items of an envelope to the quotas of its key. Items that a quota refuses are
// counted and marked as done, and with the event all that belongs to it. A crash report that a quota
// refuses is dropped alone and without a word to the client: its event, made of it before, is kept.
// It reports whether anything is left.
// Rule: getsentry/relay relay-server/src/utils/rate_limits.rs (EnvelopeLimiter)
func (s *Service) enforce(ctx context.Context, q *request, env *envelope.Envelope, p *plan, rec *receipt) (left bool) {
	rules := q.client.rules
	if len(rules) == 0 {
		return true
	}
	reason := ""
	if p.main != nil {
		quantities(p.main, p.spec, func(c outcome.Category, n int64) {
			if reason == "" {
				reason = s.spend(ctx, rules, c, n, rec)
			}
		})
		p.limited = reason != ""
	}
	p.done = make([]bool, len(env.Items))
	for i := range env.Items {
		it := &env.Items[i]
		spec := specOf(it)
		why := ""
		switch {
		case spec.needsID && p.limited:
			why = reason
		case it == p.main || spec.category == outcome.UnknownItem: // spent, and never limited
		case isCrash(it) && p.main != nil: // its event has spent for the error
			why = s.spendItem(ctx, rules, it, spec, &receipt{}, outcome.Error)
		default:
			why = s.spendItem(ctx, rules, it, spec, rec, outcome.UnknownItem)
		}
		if why == "" {
			left = true
			continue
		}
		p.done[i] = true
		s.dropItem(q, env.Items, i, outcome.RateLimited, why)
	}
	if p.limited {
		p.main = nil
	}
	return left || len(env.Items) == 0
}

// isCrash reports whether an item is a crash report, of which an event is made.
func isCrash(it *envelope.Item) bool {
	return it.Type == event.ItemAttachment && (it.AttachmentType == typeMinidump || it.AttachmentType == typeAppleReport)
}

// spendItem takes what an item counts in all of its categories but one that is paid for, or nothing
// and returns the reason.
func (s *Service) spendItem(ctx context.Context, rules []rule, it *envelope.Item, spec itemSpec, rec *receipt, paid outcome.Category) (reason string) {
	type cost struct {
		c outcome.Category
		n int64
	}
	var taken []cost
	quantities(it, spec, func(c outcome.Category, n int64) {
		if reason != "" || c == paid {
			return
		}
		if reason = s.spend(ctx, rules, c, n, rec); reason == "" {
			taken = append(taken, cost{c, n})
		}
	})
	if reason != "" {
		for _, t := range taken {
			s.giveBack(rules, t.c, t.n)
		}
	}
	return reason
}

// grants gets units from the count that all ingest processes share in a bucket of the bus.
func grants(c *bus.Conn) quota.Grant {
	return func(ctx context.Context, name string, slot, limit, need int64) (granted int64, err error) {
		err = bindings.Quotas.Change(ctx, c, name, func(u quota.Usage) quota.Usage {
			if u.Slot != slot {
				u = quota.Usage{Slot: slot}
			}
			granted = quota.Share(u.Used, limit, need)
			u.Used += granted
			return u
		})
		return granted, err
	}
}
