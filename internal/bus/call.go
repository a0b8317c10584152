package bus

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	// maxCallBytes bounds requests and replies: calls are for questions and commands.
	maxCallBytes = 512 << 10

	headerAfter   = "Tocsin-Retry-After"   // whole milliseconds
	headerBudget  = "Tocsin-Deadline-Left" // whole milliseconds, as the caller sent it
	firstRetry    = 20 * time.Millisecond
	longestRetry  = time.Second
	serverVersion = "1.0.0" // the version of the call protocol, as the broker's discovery shows it
)

// Call names a request/reply edge of the bindings and the types of its request and response.
// Types whose pointers have AppendBinary and UnmarshalBinary travel in that form, others as JSON.
type Call[Req, Resp any] struct{ Name string }

// Client calls one endpoint under the policies of the bindings. It is safe for concurrent use.
type Client[Req, Resp any] struct {
	c        *Conn
	name     string
	policy   CallPolicy
	stats    *edge
	breaker  *gobreaker.CircuitBreaker[[]byte]
	encode   func([]byte, *Req) ([]byte, error)
	decode   func([]byte, *Resp) error
	fallback func(ctx context.Context, req Req, cause error) (Resp, error)
}

// Client returns a client of the call. fault.Denied: the bindings do not name the service as a
// caller.
func (k Call[Req, Resp]) Client(c *Conn) (*Client[Req, Resp], error) {
	policy, ok := c.graph.Calls[k.Name]
	if !ok || !slices.Contains(policy.Callers, c.service) {
		return nil, fault.New(fault.Denied, "%s is not bound as a caller of %s", c.service, k.Name)
	}
	x := &Client[Req, Resp]{c: c, name: k.Name, policy: policy, stats: c.stats.edge("call", k.Name),
		encode: encoder[Req](), decode: decoder[Resp]()}
	x.breaker = newBreaker[[]byte](c, x.stats)
	return x, nil
}

// Fallback sets what makes the answer when the server is away. fault.Invalid: the binding's
// fallback is not "caller". It must be set before the first Do.
func (x *Client[Req, Resp]) Fallback(f func(ctx context.Context, req Req, cause error) (Resp, error)) error {
	if x.policy.Fallback != FallbackCaller {
		return fault.New(fault.Invalid, "the binding of %s has fallback %s", x.name, x.policy.Fallback)
	}
	x.fallback = f
	return nil
}

// Do asks and waits for the answer, for the binding's timeout at most. A failure of the server
// keeps its kind and public text. fault.Unavailable: the server is away or did not answer in time.
// fault.TooLarge: the request is above 512 KiB.
func (x *Client[Req, Resp]) Do(ctx context.Context, req Req) (Resp, error) {
	var resp Resp
	ctx, cancel := context.WithTimeout(ctx, x.policy.Timeout)
	defer cancel()
	ctx, span := tracer().Start(ctx, x.name, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	start := time.Now()
	body, err := x.encode(nil, &req)
	if err != nil {
		err = fault.Wrap(err, fault.Invalid, "encode the request of %s", x.name)
	} else if len(body) > maxCallBytes {
		err = fault.New(fault.TooLarge, "a request of %s is above %d bytes", x.name, maxCallBytes)
	} else {
		body, err = x.attempts(ctx, body)
	}
	if err == nil {
		if err = x.decode(body, &resp); err != nil {
			err = fault.Wrap(err, fault.Internal, "read the answer of %s", x.name)
		}
	}
	x.stats.observe(time.Since(start), err)
	if err != nil {
		span.SetStatus(codes.Error, fault.KindOf(err).String())
		if x.fallback != nil && fault.KindOf(err) == fault.Unavailable {
			return x.fallback(ctx, req, err)
		}
	}
	return resp, err
}

// attempts repeats idempotent calls while the transport fails.
func (x *Client[Req, Resp]) attempts(ctx context.Context, body []byte) ([]byte, error) {
	tries := 1
	if x.policy.Idempotent {
		tries += x.policy.MaxRetries
	}
	ladder := backoff.NewExponentialBackOff()
	ladder.InitialInterval, ladder.MaxInterval = firstRetry, longestRetry
	var last error
	answer, err := backoff.Retry(ctx, func() ([]byte, error) {
		answer, err := x.breaker.Execute(func() ([]byte, error) { return x.once(ctx, body) })
		if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
			err = fault.New(fault.Unavailable, "%s is away", x.name).RetryAfter(breakerPause)
		}
		if last = err; err != nil && fault.KindOf(err) != fault.Unavailable {
			err = backoff.Permanent(err)
		}
		return answer, err
	}, backoff.WithBackOff(ladder), backoff.WithMaxTries(uint(tries)))
	if err != nil && last != nil {
		return nil, last
	}
	return answer, err
}

func (x *Client[Req, Resp]) once(ctx context.Context, body []byte) ([]byte, error) {
	msg := nats.NewMsg(callSubject(x.name))
	msg.Data = body
	otel.GetTextMapPropagator().Inject(ctx, headers(msg.Header))
	if deadline, ok := ctx.Deadline(); ok {
		msg.Header.Set(headerBudget, strconv.FormatInt(time.Until(deadline).Milliseconds(), 10))
	}
	reply, err := x.c.nc.RequestMsgWithContext(ctx, msg)
	if err != nil {
		return nil, translate(err, "call %s", x.name)
	}
	if code := reply.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, readFault(code, reply.Header)
	}
	return reply.Data, nil
}

// Serve answers the call with h until ctx ends, then finishes the requests in hand. h runs under
// the caller's deadline. fault.Denied: the bindings do not name the service as the server.
func (k Call[Req, Resp]) Serve(ctx context.Context, c *Conn, h func(ctx context.Context, req Req) (Resp, error)) error {
	policy, ok := c.graph.Calls[k.Name]
	if !ok || policy.Server != c.service {
		return fault.New(fault.Denied, "%s is not bound as the server of %s", c.service, k.Name)
	}
	s := &server[Req, Resp]{c: c, name: k.Name, policy: policy, handle: h, stats: c.stats.edge("serve", k.Name),
		encode: encoder[Resp](), decode: decoder[Req](), places: make(chan struct{}, policy.MaxConcurrency), ending: make(chan struct{})}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	svc, err := micro.AddService(c.nc, micro.Config{Name: callService(k.Name), Version: serverVersion, Description: policy.About})
	if err != nil {
		return translate(err, "serve %s", k.Name)
	}
	err = svc.AddEndpoint(callService(k.Name), micro.HandlerFunc(func(r micro.Request) { s.accept(work, r) }),
		micro.WithEndpointSubject(callSubject(k.Name)))
	if err != nil {
		_ = svc.Stop() // the error below says more
		return translate(err, "serve %s", k.Name)
	}
	<-ctx.Done()
	err = svc.Stop()
	defer time.AfterFunc(drainWait, cancel).Stop()
	s.end()
	if errors.Is(err, nats.ErrConnectionClosed) {
		err = nil
	}
	return translate(err, "stop serving %s", k.Name)
}

// server answers the requests of one call.
type server[Req, Resp any] struct {
	c      *Conn
	name   string
	policy CallPolicy
	stats  *edge
	handle func(context.Context, Req) (Resp, error)
	encode func([]byte, *Resp) ([]byte, error)
	decode func([]byte, *Req) error
	places chan struct{} // one per request in hand
	ending chan struct{} // closed when no more are accepted
}

// accept starts a request once there is a place for it; until then later ones queue up. One that
// comes while the server ends is told to try elsewhere.
func (s *server[Req, Resp]) accept(ctx context.Context, r micro.Request) {
	select {
	case s.places <- struct{}{}:
		go func() {
			defer func() { <-s.places }()
			s.answer(ctx, r)
		}()
	case <-s.ending:
		_ = r.Error(fault.Unavailable.String(), "the server is ending", nil) // the caller's deadline covers a lost answer
	}
}

// end keeps new requests from starting and returns once none is in hand.
func (s *server[Req, Resp]) end() {
	close(s.ending)
	for range cap(s.places) {
		s.places <- struct{}{}
	}
}

func (s *server[Req, Resp]) answer(ctx context.Context, r micro.Request) {
	start := time.Now()
	budget := s.policy.Timeout
	if ms, err := strconv.Atoi(r.Headers().Get(headerBudget)); err == nil && ms > 0 {
		budget = min(budget, time.Duration(ms)*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	ctx = otel.GetTextMapPropagator().Extract(ctx, headers(r.Headers()))
	ctx, span := tracer().Start(ctx, s.name, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	body, err := s.run(ctx, r.Data())
	s.stats.observe(time.Since(start), err)
	if err != nil {
		span.SetStatus(codes.Error, fault.KindOf(err).String())
		if fault.KindOf(err) == fault.Internal {
			s.c.log.ErrorContext(ctx, "call failed", "err", err, "subject", r.Subject())
		}
		err = r.Error(fault.KindOf(err).String(), fault.Public(err), nil, micro.WithHeaders(afterHeader(err)))
	} else {
		err = r.Respond(body)
	}
	if err != nil {
		s.c.log.WarnContext(ctx, "answer lost", "err", err, "subject", r.Subject())
	}
}

func (s *server[Req, Resp]) run(ctx context.Context, body []byte) (answer []byte, err error) {
	defer recoverTo(&err)
	if len(body) > maxCallBytes {
		return nil, fault.New(fault.TooLarge, "a request of %s is above %d bytes", s.name, maxCallBytes)
	}
	var req Req
	if err := s.decode(body, &req); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the request of %s is malformed", s.name)
	}
	resp, err := s.handle(ctx, req)
	if errors.Is(err, context.DeadlineExceeded) && fault.KindOf(err) == fault.Internal {
		err = fault.Wrap(err, fault.Unavailable, "%s did not finish in time", s.name)
	}
	if err != nil {
		return nil, err
	}
	if answer, err = s.encode(nil, &resp); err == nil && len(answer) > maxCallBytes {
		err = fault.New(fault.TooLarge, "the answer of %s is above %d bytes", s.name, maxCallBytes)
	}
	return answer, err
}

func afterHeader(err error) micro.Headers {
	var e *fault.Error
	if !errors.As(err, &e) || e.After <= 0 {
		return nil
	}
	return micro.Headers{headerAfter: {strconv.FormatInt(e.After.Milliseconds(), 10)}}
}

// readFault makes the server's failure the caller's.
func readFault(code string, h nats.Header) error {
	kind := fault.Internal
	for k := fault.Internal; k <= fault.Unavailable; k++ {
		if k.String() == code {
			kind = k
		}
	}
	e := fault.New(kind, "%s", h.Get(micro.ErrorHeader))
	if ms, err := strconv.Atoi(h.Get(headerAfter)); err == nil && ms > 0 {
		e.After = time.Duration(ms) * time.Millisecond
	}
	return e
}

// headers lets the trace propagator read and write message headers.
type headers map[string][]string

var _ propagation.TextMapCarrier = headers{}

func (h headers) Get(key string) string { return nats.Header(h).Get(key) }
func (h headers) Set(key, value string) { h[key] = []string{value} }
func (h headers) Keys() []string        { return sortedKeys(h) }
