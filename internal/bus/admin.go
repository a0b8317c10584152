package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxDeadPage bounds one page of dead letters.
const maxDeadPage = 100

// ConnectAdmin opens a connection with the administrator's rights; the address carries the user
// and password when the broker asks for them. The caller closes it. fault.Unavailable: the broker
// is away or refuses.
func ConnectAdmin(url string) (*nats.Conn, error) {
	nc, err := nats.Connect(url, nats.Name(Admin), nats.CustomInboxPrefix(inboxPrefix(Admin)), nats.Timeout(5*time.Second))
	return nc, translate(err, "connect to the bus as %s", Admin)
}

// DeadLetters lists dead letters of a queue from sequence number from on, oldest first, limit at
// most. An empty queue lists those of all.
func DeadLetters(ctx context.Context, admin *nats.Conn, dlq, queue string, from uint64, limit int) ([]DeadLetter, error) {
	stream, err := openDead(ctx, admin, dlq)
	if err != nil {
		return nil, err
	}
	subject := dlq + ".>"
	if queue != "" {
		subject = deadSubject(dlq, queue)
	}
	var letters []DeadLetter
	for seq := max(from, 1); len(letters) < min(limit, maxDeadPage); {
		msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, translate(err, "read dead letters")
		}
		letter := DeadLetter{Seq: msg.Sequence}
		if err := letter.UnmarshalBinary(msg.Data); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "read dead letter %d", msg.Sequence)
		}
		letter.Seq = msg.Sequence
		letters, seq = append(letters, letter), msg.Sequence+1
	}
	return letters, nil
}

// Replay puts a dead letter back into its queue, then removes it. fault.Unknown: there is none
// with this number.
func Replay(ctx context.Context, admin *nats.Conn, dlq string, seq uint64) error {
	stream, err := openDead(ctx, admin, dlq)
	if err != nil {
		return err
	}
	msg, err := stream.GetMsg(ctx, seq)
	if err != nil {
		return deadFault(err, seq)
	}
	var letter DeadLetter
	if err := letter.UnmarshalBinary(msg.Data); err != nil {
		return fault.Wrap(err, fault.Internal, "read dead letter %d", seq)
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
	js, err := jetstream.New(admin)
	if err != nil {
		return translate(err, "prepare the bus")
	}
	if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: queueSubject(letter.Queue), Data: data}); err != nil {
		return translate(err, "replay dead letter %d", seq)
	}
	return deadFault(stream.DeleteMsg(ctx, seq), seq)
}

// DropDead removes a dead letter for good. fault.Unknown: there is none with this number.
func DropDead(ctx context.Context, admin *nats.Conn, dlq string, seq uint64) error {
	stream, err := openDead(ctx, admin, dlq)
	if err != nil {
		return err
	}
	return deadFault(stream.DeleteMsg(ctx, seq), seq)
}

func openDead(ctx context.Context, admin *nats.Conn, dlq string) (jetstream.Stream, error) {
	js, err := jetstream.New(admin)
	if err != nil {
		return nil, translate(err, "prepare the bus")
	}
	stream, err := js.Stream(ctx, deadStream(dlq))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fault.New(fault.Unknown, "there is no dead-letter queue %s", dlq)
	}
	return stream, translate(err, "open dead-letter queue %s", dlq)
}

func deadFault(err error, seq uint64) error {
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return fault.New(fault.Unknown, "there is no dead letter %d", seq)
	}
	return translate(err, "dead letter %d", seq)
}
