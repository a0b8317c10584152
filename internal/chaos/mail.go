package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
	"github.com/tocsin-dev/tocsin/internal/testkit/smtpsink"
)

const (
	opsAddress  = "ops@example.com"
	goneAddress = "gone@example.com"
)

// relay is a mail relay that has no time at first, then greylists, and does not know one address.
type relay struct {
	sink *smtpsink.Sink
	stop func()
	err  error // of its start
}

// mailed is the fault of mail that is refused, in a world of its own, whose notifier sends mail.
func mailed() fault {
	m := &relay{}
	return fault{id: "F25", name: "mail relay away, then greylisting; an address it does not know", run: m.run, long: true, alone: func(o *fleet.Options) {
		if m.sink, m.stop, m.err = smtpsink.Start(nil); m.err == nil {
			m.sink.Refuse = refusal
			o.Args = map[string][]string{"notifier": {"--smtp-url", m.sink.URL()}}
		}
	}}
}

// refusal is what the relay says to a recipient for the n-th time.
func refusal(to string, n int) *smtp.SMTPError {
	switch {
	case to == goneAddress:
		return smtpsink.Unknown(to, n)
	case n == 1:
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "Service not available"}
	default:
		return smtpsink.Greylisted(to, n-1)
	}
}

// run tells two addresses of new issues: what is refused for a while comes later, what is refused for good is
// tried once and said to be.
func (m *relay) run(ctx context.Context, w *world, rng *rand.Rand) error {
	if m.err != nil {
		return m.err
	}
	defer m.stop()
	const issues = 2
	for i, to := range []string{opsAddress, goneAddress} {
		var made struct{ ID string }
		if err := w.api(ctx, http.MethodPost, "/api/v1/organizations/"+w.Organization+"/destinations/", map[string]any{"channel": "email", "name": to, "budget": 0,
			"settings": map[string]string{"to": to}}, &made); err != nil {
			return err
		}
		if err := w.rule(ctx, i, made.ID, []map[string]any{{"kind": "new"}}, []map[string]any{}); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := w.news(ctx, rng, issues); err != nil {
		return err
	}
	came := 0
	err := w.await(ctx, 3*time.Minute, func() error {
		if came = len(m.sink.Mails()); came < issues {
			return fmt.Errorf("%d of %d mails came", came, issues)
		}
		return nil
	})
	took := time.Since(began)
	var failed, tries int
	err = errors.Join(err, w.await(ctx, time.Minute, func() error {
		err := w.db.QueryRow(ctx, "select count(*) filter (where state = 2), coalesce(sum(attempts), 0)::int from deliveries where target = $1", goneAddress).Scan(&failed, &tries)
		if err == nil && failed < issues {
			err = fmt.Errorf("%d of %d mails to an address that nobody has are given up", failed, issues)
		}
		return err
	}))
	w.tell(tally{Alerts: issues, Untold: max(issues-came, 0)})
	w.note = fmt.Sprintf("%d mails came within %.0f s although the address was refused twice; %d to an unknown address were given up after %d tries", came, took.Seconds(), failed, tries)
	if err == nil && (came != issues || tries != issues) {
		err = errors.New(w.note)
	}
	return err
}
