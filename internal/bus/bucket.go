package bus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	bucketWait     = 5 * time.Second
	longestRewatch = 5 * time.Second
)

// Bucket names a key-value bucket of the bindings and the type of its values.
type Bucket[T any] struct{ Name string }

// Put sets a key. fault.Denied: the service is not bound as a writer. fault.Unavailable: the bus
// is away.
func (b Bucket[T]) Put(ctx context.Context, c *Conn, key string, v T) error {
	kv, cancel, ctx, err := b.open(ctx, c, false)
	if err != nil {
		return err
	}
	defer cancel()
	data, err := encoder[T]()(nil, &v)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "encode %s of bucket %s", key, b.Name)
	}
	_, err = kv.Put(ctx, key, data)
	return translate(err, "put %s into bucket %s", key, b.Name)
}

// Delete removes a key; one that does not exist is no error. Kinds as of Put.
func (b Bucket[T]) Delete(ctx context.Context, c *Conn, key string) error {
	kv, cancel, ctx, err := b.open(ctx, c, false)
	if err != nil {
		return err
	}
	defer cancel()
	return translate(kv.Delete(ctx, key), "delete %s from bucket %s", key, b.Name)
}

// Get reads a key and reports whether it exists. fault.Denied: the service is bound neither as a
// writer nor as a watcher.
func (b Bucket[T]) Get(ctx context.Context, c *Conn, key string) (T, bool, error) {
	var v T
	kv, cancel, ctx, err := b.open(ctx, c, true)
	if err != nil {
		return v, false, err
	}
	defer cancel()
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, translate(err, "get %s from bucket %s", key, b.Name)
	}
	if err := decoder[T]()(entry.Value(), &v); err != nil {
		return v, false, fault.Wrap(err, fault.Internal, "read %s of bucket %s", key, b.Name)
	}
	return v, true, nil
}

func (b Bucket[T]) open(ctx context.Context, c *Conn, read bool) (jetstream.KeyValue, context.CancelFunc, context.Context, error) {
	policy := c.graph.Buckets[b.Name]
	if !slices.Contains(policy.Writers, c.service) && (!read || !slices.Contains(policy.Watchers, c.service)) {
		return nil, nil, nil, fault.New(fault.Denied, "%s is not bound to bucket %s this way", c.service, b.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, bucketWait)
	kv, err := c.js.KeyValue(ctx, b.Name)
	if err != nil {
		cancel()
		return nil, nil, nil, translate(err, "open bucket %s", b.Name)
	}
	return kv, cancel, ctx, nil
}

// Watch gives each every key of the bucket, calls synced, then gives each every change as it
// happens; v is nil when the key was deleted. After a lost connection the whole bucket is given
// again, keys that went away meanwhile as deleted, and synced is called again. It blocks until ctx
// ends, and calls each and synced from one goroutine. A value that cannot be read is logged and
// passed over. fault.Denied: the service is not bound as a watcher.
func (b Bucket[T]) Watch(ctx context.Context, c *Conn, each func(key string, v *T), synced func()) error {
	if !slices.Contains(c.graph.Buckets[b.Name].Watchers, c.service) {
		return fault.New(fault.Denied, "%s is not bound as a watcher of bucket %s", c.service, b.Name)
	}
	w := &watch[T]{c: c, bucket: b.Name, decode: decoder[T](), each: each, synced: synced, known: map[string]bool{}}
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := w.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if w.complete {
			pause = 50 * time.Millisecond
		}
		c.log.WarnContext(ctx, "bucket watch interrupted", "err", err, "bucket", b.Name)
		select {
		case <-ctx.Done():
		case <-time.After(jitter(pause)):
		}
		pause = min(2*pause, longestRewatch)
	}
	return nil
}

// watch is the state of a Watch across reconnections.
type watch[T any] struct {
	c        *Conn
	bucket   string
	decode   func([]byte, *T) error
	each     func(string, *T)
	synced   func()
	known    map[string]bool // keys given to each
	complete bool            // the last watch got as far as synced
}

// once watches until the watch breaks or ctx ends.
func (w *watch[T]) once(ctx context.Context) error {
	w.complete = false
	open, cancel := context.WithTimeout(ctx, bucketWait)
	defer cancel()
	kv, err := w.c.js.KeyValue(open, w.bucket)
	if err != nil {
		return translate(err, "open bucket %s", w.bucket)
	}
	lost := w.c.nc.StatusChanged()
	defer w.c.nc.RemoveStatusListener(lost)
	watcher, err := kv.WatchAll(ctx)
	if err != nil {
		return translate(err, "watch bucket %s", w.bucket)
	}
	defer func() {
		_ = watcher.Stop() // it may have ended by itself
		// The client may be blocked on a value that nobody takes any more.
		go func() {
			for range watcher.Updates() {
			}
		}()
	}()
	seen := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lost:
			return errors.New("the connection changed")
		case e, ok := <-watcher.Updates():
			switch {
			case !ok:
				return errors.New("the watch ended")
			case e == nil:
				w.finishInitial(seen)
				seen = nil
			default:
				w.take(ctx, e, seen)
			}
		}
	}
}

func (w *watch[T]) take(ctx context.Context, e jetstream.KeyValueEntry, seen map[string]bool) {
	key := e.Key()
	if e.Operation() != jetstream.KeyValuePut {
		delete(w.known, key)
		w.each(key, nil)
		return
	}
	var v T
	if err := w.decode(e.Value(), &v); err != nil {
		w.c.log.ErrorContext(ctx, "bucket value is unreadable", "err", err, "bucket", w.bucket, "key", key)
		if seen != nil {
			seen[key] = true
		}
		return
	}
	w.known[key] = true
	if seen != nil {
		seen[key] = true
	}
	w.each(key, &v)
}

// finishInitial reports what went away while nobody watched.
func (w *watch[T]) finishInitial(seen map[string]bool) {
	for _, key := range sortedKeys(w.known) {
		if !seen[key] {
			delete(w.known, key)
			w.each(key, nil)
		}
	}
	w.complete = true
	w.synced()
}
