package bindings_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

const edgeWait = 30 * time.Second

// stored is the newest message of a stream under a subject.
func stored(t *testing.T, srv *natstest.Server, stream, subject string) *jetstream.RawStreamMsg {
	t.Helper()
	js, err := jetstream.New(srv.NC(bus.Admin))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// put publishes m as the service from did.
func put(t *testing.T, srv *natstest.Server, from, subject string, m message) {
	t.Helper()
	js, err := jetstream.New(srv.NC(from))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: m.Header, Data: m.Data}); err != nil {
		t.Fatal(err)
	}
}

func publish[T any](t *testing.T, srv *natstest.Server, q bus.Queue[T], from string, v T) {
	t.Helper()
	p, err := q.Publisher(srv.Conn(from))
	if err != nil {
		t.Fatal(err)
	}
	natstest.Publish(t, p, v)
}

// consume takes the first message of a queue; reject, when it is not nil, is what is said of it.
func consume[T any](t *testing.T, srv *natstest.Server, q bus.Queue[T], to string, reject error) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), edgeWait)
	defer cancel()
	came := false
	err := q.Consume(ctx, srv.Conn(to), func(_ context.Context, batch []T) (rejects []bus.Reject, err error) {
		defer cancel()
		text, err := json.Marshal(batch[0]) // the message may alias the batch
		if err == nil {
			err = json.Unmarshal(text, &v)
		}
		if came = true; reject != nil {
			rejects = []bus.Reject{{Err: reject}}
		}
		return rejects, err
	})
	if err != nil || !came {
		t.Fatalf("a message came: %v, %v", came, err)
	}
	return v
}

func queue[T any](name string, q bus.Queue[T], from, to string, v T) edge {
	subject := "q." + q.Name
	return edge{name, func(t *testing.T) message {
		srv := natstest.New(t)
		publish(t, srv, q, from, v)
		m := stored(t, srv, strings.ToUpper(q.Name), subject)
		return written(t, v, m.Header, m.Data)
	}, func(t *testing.T, m message) any {
		srv := natstest.New(t)
		put(t, srv, from, subject, m)
		return consume(t, srv, q, to, nil)
	}}
}

// deadLetter is an event that was given up.
func deadLetter(raw event.Raw) edge {
	const dlq, subject = "dlq", "dlq.events"
	value := func(l bus.DeadLetter) any {
		return map[string]any{"queue": l.Queue, "service": l.Service, "error": l.Error, "attempts": l.Attempts, "kind": l.Kind, "body": l.Body}
	}
	read := func(t *testing.T, srv *natstest.Server) bus.DeadLetter {
		letters, err := bus.OpenLetters(srv.NC(bus.Admin), dlq)
		if err != nil {
			t.Fatal(err)
		}
		l, err := letters.Get(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	return edge{"dead-letter", func(t *testing.T) message {
		srv := natstest.New(t)
		publish(t, srv, bindings.Events, "ingest", raw)
		consume(t, srv, bindings.Events, "processor", fault.New(fault.Invalid, "no JSON"))
		m := stored(t, srv, strings.ToUpper(dlq), subject)
		return written(t, value(read(t, srv)), m.Header, m.Data)
	}, func(t *testing.T, m message) any {
		srv := natstest.New(t)
		put(t, srv, "processor", subject, m)
		return value(read(t, srv))
	}}
}

func bucket[T any](name string, b bus.Bucket[T], writer, reader, key string, v T) edge {
	subject := "$KV." + b.Name + "." + key
	return edge{name, func(t *testing.T) message {
		srv := natstest.New(t)
		if err := b.Put(t.Context(), srv.Conn(writer), key, v); err != nil {
			t.Fatal(err)
		}
		m := stored(t, srv, "KV_"+b.Name, subject)
		return written(t, v, m.Header, m.Data)
	}, func(t *testing.T, m message) any {
		srv := natstest.New(t)
		put(t, srv, writer, subject, m)
		ctx, cancel := context.WithTimeout(t.Context(), edgeWait)
		defer cancel()
		var got *T
		err := b.Watch(ctx, srv.Conn(reader), func(k string, v *T) {
			if k == key && v != nil {
				got = new(*v)
				cancel()
			}
		}, func() {})
		if got == nil {
			t.Fatalf("no record of %s came: %v", key, err)
		}
		return *got
	}}
}

// call is the two edges of a call: its request, and its answer.
func call[Req, Resp any](k bus.Call[Req, Resp], caller, server string, req Req, resp Resp) []edge {
	subject := "call." + k.Name
	answered := func(t *testing.T, srv *natstest.Server, m message) Resp { // a caller of today hears m
		nc := srv.NC(server)
		sub, err := nc.Subscribe(subject, func(msg *nats.Msg) { _ = msg.RespondMsg(&nats.Msg{Data: m.Data, Header: m.Header}) })
		if err := errors.Join(err, nc.Flush()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
		client, err := k.Client(srv.Conn(caller))
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.Do(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	served := func(t *testing.T, srv *natstest.Server, m message) (got Req, answer *nats.Msg) { // a server of today hears m
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- k.Serve(ctx, srv.Conn(server), func(_ context.Context, r Req) (Resp, error) {
				text, err := json.Marshal(r)
				if err == nil {
					err = json.Unmarshal(text, &got)
				}
				return resp, err
			})
		}()
		nc := srv.NC(caller)
		deadline := time.Now().Add(edgeWait)
		var err error
		for answer == nil && time.Now().Before(deadline) { // until it listens
			answer, err = nc.RequestMsg(&nats.Msg{Subject: subject, Data: m.Data, Header: m.Header}, time.Second)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if answer == nil {
			t.Fatalf("no answer: %v", err)
		}
		return got, answer
	}
	request := func(t *testing.T, srv *natstest.Server) message {
		nc := srv.NC(server)
		sub, err := nc.SubscribeSync(subject)
		if err := errors.Join(err, nc.Flush()); err != nil { // a caller must find it listening
			t.Fatal(err)
		}
		client, err := k.Client(srv.Conn(caller))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), edgeWait)
		defer cancel()
		go func() { _, _ = client.Do(ctx, req) }()
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return written(t, req, msg.Header, msg.Data)
	}
	return []edge{
		{"call-" + k.Name + "-request", func(t *testing.T) message { return request(t, natstest.New(t)) },
			func(t *testing.T, m message) any { got, _ := served(t, natstest.New(t), m); return got }},
		{"call-" + k.Name + "-answer", func(t *testing.T) message {
			srv := natstest.New(t)
			_, answer := served(t, srv, request(t, srv))
			return written(t, resp, answer.Header, answer.Data)
		}, func(t *testing.T, m message) any { return answered(t, natstest.New(t), m) }},
	}
}
