package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// longestEnd is how long a program may take from SIGTERM to its end.
const longestEnd = 10 * time.Second

// rolling ends every program in order and starts it again, one after the other, while a second ingest takes
// what the first cannot: nobody is refused.
func rolling(ctx context.Context, w *world, _ *rand.Rand) error {
	second, address, err := w.another(ctx, "ingest")
	if err != nil {
		return err
	}
	front, err := fleet.NewProxy(ctx, w.Address["ingest"], address)
	if err != nil {
		second.Kill()
		return err
	}
	defer front.Close()
	own := front.Address()
	w.front.Store(&own)
	w.load.client.CloseIdleConnections()
	w.hold(ctx, 0.2)
	var longest time.Duration
	for _, s := range fleet.Services {
		took, err := w.finish(w.Programs[s])
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		longest = max(longest, took)
		w.hold(ctx, 0.1)
		if err := w.start(s); err != nil {
			return err
		}
		if err := w.Ready(ctx, s); err != nil {
			return err
		}
		w.hold(ctx, 0.1)
	}
	w.front.Store(nil)
	w.load.client.CloseIdleConnections()
	w.hold(ctx, 0.2)
	_, err = w.finish(second)
	w.note = fmt.Sprintf("each ended within %.1f s of SIGTERM", longest.Seconds())
	return err
}

// finish asks a program to end and tells how long that took.
func (w *world) finish(p *fleet.Program) (time.Duration, error) {
	began := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-p.Done():
		return time.Since(began), nil
	case <-time.After(time.Duration(w.o.patience) * longestEnd):
		return 0, fmt.Errorf("it did not end within %s of SIGTERM", time.Duration(w.o.patience)*longestEnd)
	}
}

// another starts a second program of a service, with an address and a folder of its own.
func (w *world) another(ctx context.Context, service string) (*fleet.Program, string, error) {
	address, err := fleet.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	first := w.Programs[service]
	args := slices.Clone(first.Args)
	for flag, value := range map[string]string{"--listen": address, "--data": filepath.Join(w.Dir, service+"-2")} {
		args[slices.Index(args, flag)+1] = value
	}
	p := fleet.NewProgram(w.Dir, first.Path, args...)
	key, err := os.ReadFile(filepath.Join(w.Data(), "secret.key")) // that destinations are sealed with
	if err != nil {
		return nil, "", err
	}
	p.Env = append(slices.Clone(first.Env), "TOCSIN_SECRET_KEY="+strings.TrimSpace(string(key)))
	if err := p.Start(); err != nil {
		return nil, "", err
	}
	if err := w.await(ctx, time.Minute, func() error { return fleet.Healthy(ctx, address) }); err != nil {
		p.Kill()
		return nil, "", err
	}
	return p, address, nil
}

// twoOfEach runs a second processor, notifier and web beside the first, which hang in the middle of their
// work and come back when the others took it up: what they still believe to hold is not theirs any more.
func twoOfEach(ctx context.Context, w *world, rng *rand.Rand) error {
	const issues = 100
	hung := []string{"processor", "notifier", "web"}
	for _, s := range hung {
		second, _, err := w.another(ctx, s)
		if err != nil {
			return fmt.Errorf("a second %s: %w", s, err)
		}
		defer second.Kill() // when it does not end by itself
		defer func() { _, _ = w.finish(second) }()
	}
	s := newSink(false)
	defer s.end()
	if err := w.tellNew(ctx, 1, func(int) string { return s.URL + "/two" }); err != nil {
		return err
	}
	defer w.forgetRules(ctx)
	if err := w.news(ctx, rng, issues/2); err != nil {
		return err
	}
	for _, name := range hung {
		w.signal(name, syscall.SIGSTOP)
	}
	began := time.Now()
	err := w.news(ctx, rng, issues/2)
	if err == nil {
		err = w.toldAll(ctx, s, issues)
	}
	took := time.Since(began)
	for _, name := range hung {
		w.signal(name, syscall.SIGCONT)
	}
	if err != nil {
		return err
	}
	w.hold(ctx, 1)
	told, doubles, twice := s.told()
	w.tell(tally{Alerts: issues, Untold: issues - told, Repeated: doubles})
	w.note = fmt.Sprintf("the others told all %d new issues within %.1f s of the hang; %d messages were repeated under their id, %d issues told in two", issues, took.Seconds(), doubles, twice)
	if twice > 0 || doubles > 1 { // one message of a destination is in hand at a time
		err = errors.New(w.note)
	}
	return err
}
