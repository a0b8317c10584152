package processor

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/filter"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/scrub"
	"github.com/tocsin-dev/tocsin/internal/symbol"
)

// policy is what a project wants dropped and removed, and how it groups. It is never changed.
type policy struct {
	filter   *filter.Filter
	scrubber *scrub.Scrubber
	groups   *grouping.Plan
	thinning postgres.Thinning
}

// compile makes a policy of settings.
func compile(s project.Settings) (*policy, error) {
	wanted, err := filter.Read(s.Filters)
	if err != nil {
		return nil, err
	}
	private, err := scrub.Read(s.Scrubbing)
	if err != nil {
		return nil, err
	}
	groups, err := grouping.ReadSettings(s.Grouping)
	if err != nil {
		return nil, err
	}
	f, err := filter.Compile(wanted)
	if err != nil {
		return nil, err
	}
	c, err := scrub.Compile(private)
	if err != nil {
		return nil, err
	}
	return &policy{f, c, grouping.Compile(groups), postgres.Thinning{First: s.Retention.KeepFirst, OneIn: s.Retention.KeepOneIn}}, nil
}

// defaultPolicy is shared by the projects that changed nothing.
var defaultPolicy = sync.OnceValue(func() *policy {
	p, err := compile(project.Settings{})
	if err != nil {
		panic(err) // the settings are part of the program
	}
	return p
})

// maxCompiled bounds the policies that are held ready; others are compiled when events come.
const maxCompiled = 1024

// stance is what is known of one project.
type stance struct {
	filters, scrubbing, groups json.RawMessage
	retention                  project.Retention
	ready                      *policy // nil until an event comes
}

// policies are those of all projects, as the watched bucket tells them. A project that the bucket
// has not told yet is asked of the database, so that no event is ever held to less than its
// project wants. Methods may be called by many goroutines at once.
type policies struct {
	load func(context.Context, int64) (project.Settings, error)

	artifacts sync.Map // by project: the revision of what was uploaded for it, as the bucket tells it

	mu       sync.RWMutex
	stances  map[int64]*stance
	compiled int // stances with a policy of their own
}

func newPolicies(load func(context.Context, int64) (project.Settings, error)) *policies {
	return &policies{load: load, stances: make(map[int64]*stance)}
}

// of returns the policy of a project. A project that is gone has the default one. Other errors are
// those of the database.
func (p *policies) of(ctx context.Context, id int64) (*policy, error) {
	p.mu.RLock()
	var ready *policy
	s := p.stances[id]
	if s != nil {
		ready = s.ready
	}
	p.mu.RUnlock()
	if ready != nil {
		return ready, nil
	}
	if s == nil {
		settings, err := p.load(ctx, id)
		switch {
		case fault.KindOf(err) == fault.Unknown:
			return defaultPolicy(), nil
		case err != nil:
			return nil, err
		}
		p.tell(id, settings, false)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s = p.stances[id]; s == nil { // deleted in this moment
		return defaultPolicy(), nil
	}
	if s.ready == nil {
		p.prepare(ctx, id, s, nil)
	}
	return s.ready, nil
}

// take applies one change of the watched bucket: the key is the project's id, nil a deletion.
func (p *policies) take(key string, s *project.Snapshot) {
	id, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return // ingest watches the same bucket, and says so
	}
	if s == nil {
		p.artifacts.Delete(id)
		p.mu.Lock()
		if old := p.stances[id]; old != nil {
			p.release(old)
		}
		delete(p.stances, id)
		p.mu.Unlock()
		return
	}
	p.artifacts.Store(id, s.Artifacts)
	p.tell(id, s.Settings, true)
}

// artifactRevision is the revision of what was uploaded for a project, symbol.Unknown when the
// bucket did not tell it yet.
func (p *policies) artifactRevision(id int64) int64 {
	if n, told := p.artifacts.Load(id); told {
		return n.(int64)
	}
	return symbol.Unknown
}

// tell notes the settings of a project; those that are already known stay unless newer is set.
func (p *policies) tell(id int64, settings project.Settings, newer bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stances[id]
	if s == nil {
		s = &stance{}
		p.stances[id] = s
	} else if !newer || (bytes.Equal(s.filters, settings.Filters) && bytes.Equal(s.scrubbing, settings.Scrubbing) &&
		bytes.Equal(s.groups, settings.Grouping) && s.retention == settings.Retention) {
		return
	}
	s.filters, s.scrubbing, s.groups = settings.Filters, settings.Scrubbing, settings.Grouping
	s.retention = settings.Retention
	if last := s.ready; last != nil {
		p.release(s)
		p.prepare(context.Background(), id, s, last)
	}
}

// prepare compiles the policy of a stance. Settings that cannot be compiled leave the last good
// policy in force; they are logged once, because only a change is compiled again. The caller holds
// the lock.
func (p *policies) prepare(ctx context.Context, id int64, s *stance, last *policy) {
	if s.filters == nil && s.scrubbing == nil && s.groups == nil && s.retention == (project.Retention{}) {
		s.ready = defaultPolicy()
		return
	}
	made, err := compile(project.Settings{Filters: s.filters, Scrubbing: s.scrubbing, Grouping: s.groups, Retention: s.retention})
	if err != nil {
		slog.ErrorContext(ctx, "settings of a project cannot be used", "err", err, "project", id)
		if made = last; made == nil {
			made = defaultPolicy()
		}
	}
	if p.compiled >= maxCompiled {
		for _, other := range p.stances { // any of them: it is compiled again when its events come
			if other.ready != nil && other.ready != defaultPolicy() {
				p.release(other)
				break
			}
		}
	}
	s.ready = made
	if made != defaultPolicy() {
		p.compiled++
	}
}

// release gives up the compiled policy of a stance; the caller holds the lock.
func (p *policies) release(s *stance) {
	if s.ready != nil && s.ready != defaultPolicy() {
		p.compiled--
	}
	s.ready = nil
}
