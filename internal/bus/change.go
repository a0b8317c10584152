package bus

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxRaces is how often a change is tried against others of the same key.
const maxRaces = 100

// Change replaces the value of a key with what change makes of it; an absent key has the zero
// value. change is called again with the newer value when others wrote in between, and must not
// have effects. fault.Denied: the service is not bound as a writer. fault.Unavailable: the bus is
// away, or too many others write the key.
func (b Bucket[T]) Change(ctx context.Context, c *Conn, key string, change func(T) T) error {
	kv, cancel, ctx, err := b.open(ctx, c, false)
	if err != nil {
		return err
	}
	defer cancel()
	for range maxRaces {
		var v T
		var revision uint64
		entry, err := kv.Get(ctx, key)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
		case err != nil:
			return translate(err, "get %s from bucket %s", key, b.Name)
		default:
			revision = entry.Revision()
			if err := decoder[T]()(entry.Value(), &v); err != nil {
				return fault.Wrap(err, fault.Internal, "read %s of bucket %s", key, b.Name)
			}
		}
		v = change(v)
		data, err := encoder[T]()(nil, &v)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "encode %s of bucket %s", key, b.Name)
		}
		if revision == 0 {
			_, err = kv.Create(ctx, key, data)
		} else {
			_, err = kv.Update(ctx, key, data, revision)
		}
		var refused *jetstream.APIError
		if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			continue
		}
		return translate(err, "change %s in bucket %s", key, b.Name)
	}
	return fault.New(fault.Unavailable, "too many others change %s in bucket %s", key, b.Name)
}
