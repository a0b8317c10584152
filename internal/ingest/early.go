package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// earlyBytes is how much of a compressed envelope is decoded to see what it holds: enough for the headers
// that clients write. The decoder gives nothing before its input ends, so that it is the input that is cut.
const earlyBytes = 512

// refuseEarly answers a compressed envelope by its first bytes, when a limit is spent and they say that
// all of it is one event under that limit: to decode the rest would cost many times what refusing does.
// It returns nil when the envelope has to be read.
//
// That the event is all there is, is told by its length and by the size that gzip writes behind the
// data. A client that lies there only hides what is refused from its own counts.
func (s *Service) refuseEarly(ctx context.Context, q *request, encoding string, wire []byte, rec *receipt) error {
	if encoding != "gzip" || len(wire) < 20 || !slices.ContainsFunc(q.client.rules, s.spent) {
		return nil
	}
	dec := pools[encoding].Get().(decoder)
	defer pools[encoding].Put(dec)
	if dec.Reset(bytes.NewReader(wire[:min(len(wire), earlyBytes)])) != nil {
		return nil
	}
	var front [6 * earlyBytes]byte
	n, _ := io.ReadFull(dec, front[:]) // that it ends early is as it should be; what is broken is found when all is read
	env, ok := envelope.ParseLone(front[:n], int64(binary.LittleEndian.Uint32(wire[len(wire)-4:])))
	if !ok || checkHeader(q, &env.Header) != nil {
		return nil
	}
	it := &env.Items[0]
	spec := specOf(it)
	if !spec.stored || spec.counting != countOne {
		return nil
	}
	reason := s.spend(ctx, q.client.rules, spec.category, 1, rec)
	if reason == "" {
		s.giveBack(q.client.rules, spec.category, 1)
		return nil
	}
	s.dropItem(q, env.Items, 0, outcome.RateLimited, reason)
	return errQuota(rec.limits)
}

// spent reports whether nothing more passes a rule for now.
func (s *Service) spent(r rule) bool { return s.counters.Spent(r.name, r.Limit, r.Window, r.shift) }
