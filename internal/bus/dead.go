package bus

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	maxDeadError = 2 << 10
	maxDeadStack = 16 << 10
	maxDeadHead  = 64 << 10
	buryWait     = 5 * time.Second
)

// DeadLetter is a message that could not be handled, with what is known about why.
type DeadLetter struct {
	Queue    string    `json:"queue"`
	Service  string    `json:"service"` // the consumer that gave up
	Error    string    `json:"error"`
	Attempts int       `json:"attempts"`
	FirstAt  time.Time `json:"first_at"` // when the message was queued
	LastAt   time.Time `json:"last_at"`  // when it was given up
	Pack     string    `json:"pack"`     // id of the pack it came in, 32 hex digits
	Index    int       `json:"index"`    // in the pack; -1: Body is a whole pack that is unreadable
	Stack    string    `json:"stack,omitempty"`
	Kind     string    `json:"kind,omitempty"` // fault.Kind of the error
	Body     []byte    `json:"-"`              // the message as it was published

	// Set by readers: the place in the dead-letter stream, and the size there.
	Seq   uint64 `json:"-"`
	Bytes int    `json:"-"`
}

// AppendBinary appends d to b: a line of JSON, then the message's own bytes.
func (d *DeadLetter) AppendBinary(b []byte) ([]byte, error) {
	head, err := json.Marshal(d)
	if err != nil {
		return b, err
	}
	return append(append(append(b, head...), '\n'), d.Body...), nil
}

// UnmarshalBinary reads what AppendBinary wrote. Body aliases b.
func (d *DeadLetter) UnmarshalBinary(b []byte) error {
	head, _, ok := bytes.Cut(b[:min(len(b), maxDeadHead)], []byte{'\n'})
	if !ok {
		return errors.New("dead letter has no head")
	}
	if err := json.Unmarshal(head, d); err != nil {
		return fmt.Errorf("read dead letter: %w", err)
	}
	d.Body = b[len(head)+1:]
	return nil
}

// bury stores message i of d as a dead letter. It returns once that is durable.
func (s *source) bury(ctx context.Context, d *delivery, i int, cause error) error {
	return s.store(ctx, d, i, d.messages[i].body, cause)
}

// buryPack stores a pack that cannot be read, and ends it.
func (s *source) buryPack(ctx context.Context, d *delivery, cause error) {
	if err := s.store(ctx, d, -1, d.msg.Data(), cause); err != nil {
		_ = d.release(longestPause) // the broker gives it again after ackWait if this is lost
		return
	}
	_ = d.ack() // given again if lost; the dead letter's id keeps it from being stored twice
}

func (s *source) store(ctx context.Context, d *delivery, index int, body []byte, cause error) error {
	letter := DeadLetter{Queue: s.queue, Service: s.c.service, Error: cut(cause.Error(), maxDeadError),
		Attempts: d.attempt, FirstAt: d.first.UTC(), LastAt: time.Now().UTC(), Pack: hex.EncodeToString(d.id[:]), Index: index,
		Kind: fault.KindOf(cause).String(), Body: body}
	var p *panicked
	if errors.As(cause, &p) {
		letter.Stack = cut(string(p.stack), maxDeadStack)
	}
	data, err := letter.AppendBinary(nil)
	if err != nil {
		return translate(err, "encode a dead letter of queue %s", s.queue)
	}
	ctx, cancel := context.WithTimeout(ctx, buryWait)
	defer cancel()
	msg := &nats.Msg{Subject: deadSubject(s.policy.DeadLetterQueue, s.queue), Data: data}
	id := fmt.Sprintf("%s.%s.%d", s.queue, letter.Pack, index)
	if index < 0 {
		id = fmt.Sprintf("%s.seq.%d", s.queue, d.seq)
	}
	if _, err := s.c.js.PublishMsg(ctx, msg, jetstream.WithMsgID(id)); err != nil {
		return translate(err, "store a dead letter of queue %s", s.queue)
	}
	s.stats.dead.Add(1)
	if fault.KindOf(cause) == fault.Internal { // what a client sent is no defect of ours
		s.storm.died()
	}
	s.log.ErrorContext(ctx, "message dead-lettered", "err", cause, "attempts", d.attempt, "pack", letter.Pack)
	return nil
}

// cut shortens text to n bytes of valid UTF-8.
func cut(text string, n int) string { return strings.ToValidUTF8(text[:min(len(text), n)], "") }
