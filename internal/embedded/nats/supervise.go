package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/tocsin-dev/tocsin/internal/disk"
)

const (
	firstRestart   = time.Second
	longestRestart = time.Minute
	// unhealthyChecks in a row make a restart: a stream that is just being made looks broken.
	unhealthyChecks = 2
	// leastFree is the free part of the disk below which a restart is pointless, in percent.
	leastFree = 5
)

// supervise restarts the server when its store failed: after a write error a stream stays frozen,
// and only a restart thaws it.
// Rule: nats-io/nats-server server/filestore.go (a store keeps its first write error)
func (s *Server) supervise(ctx context.Context) {
	tick := time.NewTicker(healthPeriod)
	defer tick.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		halted := s.halted
		s.mu.Unlock()
		err := s.Healthy()
		if halted || err == nil {
			failures = 0
			continue
		}
		if failures++; failures >= unhealthyChecks {
			failures = 0
			s.log.ErrorContext(ctx, "embedded broker failed, restarting it", "err", err)
			s.restart(ctx)
		}
	}
}

// Healthy is nil while the server takes and gives messages.
func (s *Server) Healthy() error {
	s.mu.Lock()
	srv := s.current
	s.mu.Unlock()
	switch {
	case srv == nil:
		return errors.New("the embedded broker is not running")
	case !srv.JetStreamEnabled():
		return errors.New("the broker's store is disabled")
	}
	if h := srv.Healthz(&natsserver.HealthzOptions{}); h.StatusCode != 200 {
		return fmt.Errorf("the broker's store is unhealthy: %s", h.Error)
	}
	return nil
}

// restart tries until the server runs again or ctx ends.
func (s *Server) restart(ctx context.Context) {
	s.halt()
	for pause := firstRestart; ; pause = min(2*pause, longestRestart) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if room, err := disk.At(s.o.Dir); err != nil || room.Percent() < leastFree {
			s.log.ErrorContext(ctx, "embedded broker waits for disk space", "err", err, "free_percent", room.Percent())
			continue
		}
		err := s.launch()
		if err == nil {
			err = s.ensure(ctx)
		}
		if err == nil {
			s.log.InfoContext(ctx, "embedded broker restarted")
			return
		}
		s.log.ErrorContext(ctx, "embedded broker did not restart", "err", err)
		s.halt()
	}
}

// logger passes the server's log on, in its own words.
type logger struct{ log *slog.Logger }

var _ natsserver.Logger = logger{}

func (l logger) line(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "embedded broker", "line", fmt.Sprintf(format, v...))
}

func (l logger) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }
func (l logger) Errorf(format string, v ...any)  { l.line(slog.LevelError, format, v) }
func (l logger) Fatalf(format string, v ...any)  { l.line(slog.LevelError, format, v) }
func (l logger) Debugf(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }
func (l logger) Tracef(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }

// Warnf leaves out the advice against plain passwords: ours never leave the process.
func (l logger) Warnf(format string, v ...any) {
	if !strings.Contains(format, "Plaintext passwords") {
		l.line(slog.LevelWarn, format, v)
	}
}
