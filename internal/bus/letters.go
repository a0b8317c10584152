package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxLetterPage bounds one page of dead letters.
const maxLetterPage = 500

// Letters is the door to one dead-letter queue. It is safe for concurrent use.
type Letters struct {
	js  jetstream.JetStream
	dlq string
}

// Letters opens the dead letters of the bindings for a service that operates. fault.Denied: the
// bindings do not say that it does.
func (c *Conn) Letters(dlq string) (*Letters, error) {
	if !c.graph.Services[c.service].Operates {
		return nil, fault.New(fault.Denied, "%s is not bound to operate on dead letters", c.service)
	}
	return &Letters{js: c.js, dlq: dlq}, nil
}

// OpenLetters is Conn.Letters for a connection with the administrator's rights.
func OpenLetters(admin *nats.Conn, dlq string) (*Letters, error) {
	js, err := jetstream.New(admin)
	return &Letters{js: js, dlq: dlq}, translate(err, "prepare the bus")
}

// LetterQuery selects dead letters. Zero values select all.
type LetterQuery struct {
	Queue string // the queue they were in
	Group string // DeadLetter.Group
	From  uint64 // lowest Seq
	Until uint64 // highest Seq
}

func (q LetterQuery) wants(l *DeadLetter) bool {
	return (q.Until == 0 || l.Seq <= q.Until) && (q.Group == "" || q.Group == l.Group())
}

// List returns the selected letters in the order they were buried, limit at most, and the lowest
// number that it did not look at, or zero at the end. It looks at 20,000 letters at most.
func (l *Letters) List(ctx context.Context, q LetterQuery, limit int) (letters []DeadLetter, next uint64, err error) {
	const maxLooked = 20_000
	stream, err := l.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	subject := l.dlq + ".>"
	if q.Queue != "" {
		subject = deadSubject(l.dlq, q.Queue)
	}
	limit = min(limit, maxLetterPage)
	seq := max(q.From, 1)
	for range maxLooked {
		if len(letters) >= limit {
			return letters, seq, nil
		}
		msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return letters, 0, nil
		}
		if err != nil {
			return nil, 0, translate(err, "read dead letters")
		}
		letter, err := readLetter(msg)
		if err != nil {
			return nil, 0, err
		}
		if q.Until != 0 && letter.Seq > q.Until {
			return letters, 0, nil
		}
		if q.wants(&letter) {
			letters = append(letters, letter)
		}
		seq = letter.Seq + 1
	}
	return letters, seq, nil
}

// Get returns one letter. fault.Unknown: there is none with this number.
func (l *Letters) Get(ctx context.Context, seq uint64) (DeadLetter, error) {
	stream, err := l.open(ctx)
	if err != nil {
		return DeadLetter{}, err
	}
	msg, err := stream.GetMsg(ctx, seq)
	if err != nil {
		return DeadLetter{}, deadFault(err, seq)
	}
	return readLetter(msg)
}

// Last is the highest number given so far and how many letters there are.
func (l *Letters) Last(ctx context.Context) (seq, count uint64, err error) {
	stream, err := l.open(ctx)
	if err != nil {
		return 0, 0, err
	}
	state := stream.CachedInfo().State
	return state.LastSeq, state.Msgs, nil
}

// Replay puts a dead letter back into its queue, then removes it. A message that fails again comes
// back under a higher number. fault.Unknown: there is none with this number.
func (l *Letters) Replay(ctx context.Context, seq uint64) error {
	letter, err := l.Get(ctx, seq)
	if err != nil {
		return err
	}
	data := letter.Body
	if letter.Index >= 0 {
		k := newPack(time.Now())
		defer func() { k.finish(nil) }()
		if err := k.add(nil, func(b []byte) ([]byte, error) { return append(b, letter.Body...), nil }); err != nil {
			return fault.Wrap(err, fault.Internal, "pack dead letter %d", seq)
		}
		data = *k.buf
	}
	// The id keeps a replay that was cut off and is tried again from being queued twice.
	id := fmt.Sprintf("replay.%s.%d", l.dlq, seq)
	if _, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: queueSubject(letter.Queue), Data: data}, jetstream.WithMsgID(id)); err != nil {
		return translate(err, "replay dead letter %d", seq)
	}
	return l.Discard(ctx, seq)
}

// Discard removes a dead letter for good. fault.Unknown: there is none with this number.
func (l *Letters) Discard(ctx context.Context, seq uint64) error {
	stream, err := l.open(ctx)
	if err != nil {
		return err
	}
	return deadFault(stream.DeleteMsg(ctx, seq), seq)
}

func (l *Letters) open(ctx context.Context) (jetstream.Stream, error) {
	stream, err := l.js.Stream(ctx, deadStream(l.dlq))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fault.New(fault.Unknown, "there is no dead-letter queue %s", l.dlq)
	}
	return stream, translate(err, "open dead-letter queue %s", l.dlq)
}

func readLetter(msg *jetstream.RawStreamMsg) (DeadLetter, error) {
	letter := DeadLetter{Bytes: len(msg.Data)}
	if err := letter.UnmarshalBinary(msg.Data); err != nil {
		// What is not ours lies here too, as it came, so that it can be looked at and discarded.
		letter = DeadLetter{Error: "the dead letter cannot be read: " + err.Error(), Index: -1, LastAt: msg.Time, FirstAt: msg.Time,
			Bytes: len(msg.Data), Body: msg.Data}
	}
	letter.Seq = msg.Sequence
	return letter, nil
}

func deadFault(err error, seq uint64) error {
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return fault.New(fault.Unknown, "there is no dead letter %d", seq)
	}
	return translate(err, "dead letter %d", seq)
}

// variable matches what differs between two reports of one error: numbers, hashes, ids, and what
// is quoted.
var variable = regexp.MustCompile(`"[^"]*"|'[^']*'|\b[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]*[0-9][0-9a-fA-F]*\b`)

// Pattern is the error with what varies left out.
func (d *DeadLetter) Pattern() string { return variable.ReplaceAllString(d.Error, "…") }

// Group names the letters of one queue that have the same error: 12 hex digits.
func (d *DeadLetter) Group() string {
	sum := sha256.Sum256([]byte(d.Queue + "\n" + d.Service + "\n" + d.Pattern()))
	return hex.EncodeToString(sum[:6])
}

// LetterGroup is the letters of one queue that have the same error.
type LetterGroup struct {
	ID      string
	Queue   string
	Service string
	Pattern string
	Error   string // of the latest letter
	Count   int
	Bytes   int64
	FirstAt time.Time // the oldest was given up
	LastAt  time.Time
	LastSeq uint64 // of the latest letter
}

// Groups gathers letters by error, the largest group first. whole is false when there are more
// letters than it looks at.
func (l *Letters) Groups(ctx context.Context, queue string) (groups []LetterGroup, whole bool, err error) {
	const maxGrouped = 20_000
	byID := map[string]*LetterGroup{}
	from, seen := uint64(1), 0
	for from != 0 && seen < maxGrouped {
		page, next, err := l.List(ctx, LetterQuery{Queue: queue, From: from}, maxLetterPage)
		if err != nil {
			return nil, false, err
		}
		for i := range page {
			d := &page[i]
			g := byID[d.Group()]
			if g == nil {
				g = &LetterGroup{ID: d.Group(), Queue: d.Queue, Service: d.Service, Pattern: d.Pattern(), FirstAt: d.LastAt}
				byID[g.ID] = g
			}
			g.Count, g.Bytes, g.Error, g.LastSeq = g.Count+1, g.Bytes+int64(d.Bytes), d.Error, d.Seq
			if d.LastAt.After(g.LastAt) {
				g.LastAt = d.LastAt
			}
		}
		from, seen = next, seen+len(page)
	}
	for _, g := range byID {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b LetterGroup) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return slices.Compare([]string{a.ID}, []string{b.ID})
	})
	return groups, from == 0, nil
}

// LetterID names a letter among all dead-letter queues, such as "dlq-17".
func LetterID(dlq string, seq uint64) string { return dlq + "-" + strconv.FormatUint(seq, 10) }
