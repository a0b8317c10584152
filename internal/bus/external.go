package bus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// External names a program of the bindings that is no part of us.
type External struct{ Name string }

// Outside reaches an external program under the policies of its binding. It is safe for concurrent
// use.
type Outside struct {
	name    string
	policy  ExternalPolicy
	stats   *edge
	breaker *gobreaker.CircuitBreaker[struct{}]
}

// Client returns what calls the program. fault.Denied: the bindings do not name the service as a
// caller.
func (k External) Client(c *Conn) (*Outside, error) {
	policy, ok := c.graph.External[k.Name]
	if !ok || !slices.Contains(policy.Callers, c.service) {
		return nil, fault.New(fault.Denied, "%s is not bound as a caller of %s", c.service, k.Name)
	}
	x := &Outside{name: k.Name, policy: policy, stats: c.stats.edge("external", k.Name)}
	x.breaker = newBreaker[struct{}](c, x.stats)
	return x, nil
}

// Do runs one exchange with the program, for the binding's timeout at most, again after failures of
// kind fault.Unavailable as often as the binding says. fault.Unavailable: the program is away, was
// away a moment ago, or did not answer in time.
func (x *Outside) Do(ctx context.Context, exchange func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, x.policy.Timeout)
	defer cancel()
	ctx, span := tracer().Start(ctx, x.name, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	tries := 1
	if x.policy.Idempotent {
		tries += x.policy.MaxRetries
	}
	start := time.Now()
	ladder := backoff.NewExponentialBackOff()
	ladder.InitialInterval, ladder.MaxInterval = firstRetry, longestRetry
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		_, err := x.breaker.Execute(func() (struct{}, error) {
			err := exchange(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				err = fault.Wrap(err, fault.Unavailable, "%s did not answer within %s", x.name, x.policy.Timeout)
			}
			return struct{}{}, err
		})
		if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
			err = backoff.Permanent(fault.New(fault.Unavailable, "%s is away", x.name).RetryAfter(breakerPause))
		} else if err != nil && fault.KindOf(err) != fault.Unavailable {
			err = backoff.Permanent(err)
		}
		if last = err; err != nil {
			var permanent *backoff.PermanentError
			if errors.As(err, &permanent) {
				last = permanent.Unwrap()
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(ladder), backoff.WithMaxTries(uint(tries)))
	if err != nil && last != nil {
		err = last
	}
	x.stats.observe(time.Since(start), err)
	if err != nil {
		span.SetStatus(codes.Error, fault.KindOf(err).String())
	}
	return err
}
