package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// projects is where snapshots are published to.
type projects interface {
	get(ctx context.Context, key string) (project.Snapshot, bool, error)
	put(ctx context.Context, key string, s project.Snapshot) error
	remove(ctx context.Context, key string) error
}

// bucket is the bucket that ingest watches.
type bucket struct{ bus *bus.Conn }

func (b bucket) get(ctx context.Context, key string) (project.Snapshot, bool, error) {
	return bindings.Projects.Get(ctx, b.bus, key)
}

func (b bucket) put(ctx context.Context, key string, s project.Snapshot) error {
	return bindings.Projects.Put(ctx, b.bus, key, s)
}

func (b bucket) remove(ctx context.Context, key string) error {
	return bindings.Projects.Delete(ctx, b.bus, key)
}

// publisher keeps the bucket equal to the database. Several replicas may do so at once: they write
// the same values. It is for one goroutine.
type publisher struct {
	snapshots func(context.Context) ([]project.Snapshot, error)
	deleted   func(context.Context) ([]int64, error)
	bucket    projects
	published map[string][]byte // what the bucket was last seen to hold
}

// publish writes the projects that changed since the last call and removes those that went away.
// When the bucket turns out to be another one, as after the loss of a disk, it writes all.
func (p *publisher) publish(ctx context.Context) error {
	list, err := p.snapshots(ctx)
	if err != nil {
		return err
	}
	if p.published == nil || !p.stillThere(ctx) {
		if p.published, err = p.withDeleted(ctx); err != nil {
			return err
		}
	}
	wanted := make(map[string]bool, len(list))
	for _, s := range list {
		key := strconv.FormatInt(s.Project, 10)
		wanted[key] = true
		if err := p.put(ctx, key, s); err != nil {
			return err
		}
	}
	for key := range p.published {
		if wanted[key] {
			continue
		}
		if err := p.bucket.remove(ctx, key); err != nil {
			return err
		}
		delete(p.published, key)
	}
	return nil
}

// withDeleted starts a record of the bucket: all that is known of it is that it may still hold
// projects which were deleted while nobody looked.
func (p *publisher) withDeleted(ctx context.Context) (map[string][]byte, error) {
	ids, err := p.deleted(ctx)
	held := make(map[string][]byte)
	for _, id := range ids {
		held[strconv.FormatInt(id, 10)] = nil
	}
	return held, err
}

// put writes one project unless the bucket holds it as it is.
func (p *publisher) put(ctx context.Context, key string, s project.Snapshot) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the snapshot of project %s: %w", key, err)
	}
	if bytes.Equal(p.published[key], text) {
		return nil
	}
	if err := p.bucket.put(ctx, key, s); err != nil {
		return err
	}
	p.published[key] = text
	return nil
}

// stillThere looks at one project in the bucket.
func (p *publisher) stillThere(ctx context.Context) bool {
	for key, text := range p.published {
		if text == nil {
			continue
		}
		s, found, err := p.bucket.get(ctx, key)
		if err != nil {
			return true // the bus is away; putting will say so
		}
		held, err := json.Marshal(s)
		return err == nil && found && bytes.Equal(held, text)
	}
	return true
}
