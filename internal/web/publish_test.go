package web

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// memory is a bucket that counts what is written to it.
type memory struct {
	held map[string]project.Snapshot
	puts int
	away bool
}

func (m *memory) get(_ context.Context, key string) (project.Snapshot, bool, error) {
	s, found := m.held[key]
	return s, found, m.err()
}

func (m *memory) put(_ context.Context, key string, s project.Snapshot) error {
	if err := m.err(); err != nil {
		return err
	}
	m.held[key] = s
	m.puts++
	return nil
}

func (m *memory) remove(_ context.Context, key string) error {
	delete(m.held, key)
	return m.err()
}

func (m *memory) err() error {
	if m.away {
		return fault.New(fault.Unavailable, "the bus is away")
	}
	return nil
}

func snapshot(id int64, slug string) project.Snapshot {
	return project.Snapshot{Project: id, Slug: slug, Keys: []project.SnapshotKey{{ID: id, PublicKey: slug, Active: true}}}
}

func TestTheBucketFollowsTheDatabase(t *testing.T) {
	t.Parallel()
	m := &memory{held: map[string]project.Snapshot{"9": snapshot(9, "deleted-while-away")}}
	var list []project.Snapshot
	p := &publisher{
		bucket:    m,
		snapshots: func(context.Context) ([]project.Snapshot, error) { return list, nil },
		deleted:   func(context.Context) ([]int64, error) { return []int64{9}, nil },
	}
	for _, step := range []struct {
		name   string
		before func()
		list   []project.Snapshot
		want   []string
		puts   int
	}{
		{"first", nil, []project.Snapshot{snapshot(1, "a"), snapshot(2, "b")}, []string{"1", "2"}, 2},
		{"nothing changed", nil, []project.Snapshot{snapshot(1, "a"), snapshot(2, "b")}, []string{"1", "2"}, 0},
		{"one changed", nil, []project.Snapshot{snapshot(1, "a"), snapshot(2, "c")}, []string{"1", "2"}, 1},
		{"one went away", nil, []project.Snapshot{snapshot(2, "c")}, []string{"2"}, 0},
		{"the bucket was lost", func() { clear(m.held) }, []project.Snapshot{snapshot(2, "c"), snapshot(3, "d")}, []string{"2", "3"}, 2},
	} {
		if step.before != nil {
			step.before()
		}
		list, m.puts = step.list, 0
		if err := p.publish(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, slices.Sorted(maps.Keys(m.held))); diff != "" || m.puts != step.puts {
			t.Errorf("%s: %d writes, want %d (-want +got):\n%s", step.name, m.puts, step.puts, diff)
		}
	}
}

func TestWhatWasNotWrittenIsWrittenLater(t *testing.T) {
	t.Parallel()
	m := &memory{held: map[string]project.Snapshot{}, away: true}
	p := &publisher{
		bucket:    m,
		snapshots: func(context.Context) ([]project.Snapshot, error) { return []project.Snapshot{snapshot(1, "a")}, nil },
		deleted:   func(context.Context) ([]int64, error) { return nil, nil },
	}
	if err := p.publish(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("want the bus's failure, got %v", err)
	}
	m.away = false
	if err := p.publish(t.Context()); err != nil || m.puts != 1 {
		t.Errorf("want one write after the bus is back, got %d, %v", m.puts, err)
	}
}
