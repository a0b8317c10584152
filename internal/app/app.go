// Package app starts and drains a process: it gives each service its Kit, serves its routes with
// health and metrics, supervises its goroutines, and turns signals into an orderly stop.
//
//	cmd/ingest … cmd/web   Main ── Kit ── Run(ctx, kit, cfg)         one service, own port
//	tocsin up              Kit ×4 sharing a Front ── Run ×4           four services, one port
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// StopTimeout is how long a process may take from the signal to its end.
const StopTimeout = 9 * time.Second

// Config is the settings every service has.
type Config struct {
	telemetry.Config
	Symbols      symbol.Config  `embed:""`
	Data         string         `help:"Folder for what must survive a restart." default:"./data" env:"TOCSIN_DATA" type:"path"`
	URL          string         `name:"url" help:"Address people and SDKs reach this installation at, for links and DSNs; derived from --listen when empty." env:"TOCSIN_URL"`
	BlobURL      string         `name:"blob-url" help:"Where files are kept that come with events or are uploaded: s3://bucket/prefix?endpoint=host:port&region=…, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Empty: folders under --data, which ingest, processor and web must share." env:"TOCSIN_BLOB_URL"`
	SecretKey    seal.Secret    `help:"Key that credentials of alert destinations are sealed with, base64 of 32 bytes; the same in notifier and web. Empty: the file secret.key under --data." env:"TOCSIN_SECRET_KEY"`
	SMTPURL      seal.Secret    `name:"smtp-url" help:"Mail relay, as smtp://user:password@host:587 (STARTTLS is required when there is a password, used when offered otherwise) or smtps://user:password@host:465. Empty: no mail is sent." env:"TOCSIN_SMTP_URL"`
	MailFrom     string         `help:"Sender of mail, such as Tocsin <tocsin@example.com>; empty: tocsin at the host of --url." env:"TOCSIN_MAIL_FROM"`
	MetricsAllow []netip.Prefix `help:"Networks that may read /metrics." default:"127.0.0.0/8,::1/128" env:"TOCSIN_METRICS_ALLOW"`
}

// Kit is what a service is given to work with. It is made by Main, or by tocsin up for all four.
type Kit struct {
	Service  string
	Listen   string // address of the service's own port; not used under a front
	Bus      *bus.Conn
	Store    *postgres.Store // nil in ingest, which never asks a database
	Blobs    blob.Store      // what comes with events
	Files    blob.Store      // what is uploaded to make stacks readable
	Chunks   blob.Store      // pieces of files on their way there
	DataDir  string          // this service's own folder; exists
	Config   Config
	Registry prometheus.Registerer
	Scope    *telemetry.Scope

	metrics prometheus.Gatherer
	front   *Front
	url     string

	mu     sync.Mutex
	checks []check
	tasks  sync.WaitGroup
}

// New returns the kit of one service, with its folder made. When front is not nil the service's
// routes are served there and its metrics join the front's.
func New(service string, cfg Config, front *Front) (*Kit, error) {
	dir := filepath.Join(cfg.Data, service)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of %s: %w", service, err)
	}
	scope, err := telemetry.NewScope(service, cfg.Config)
	if err != nil {
		return nil, err
	}
	var stores [3]blob.Store
	for i, name := range []string{"blobs", "artifacts", "chunks"} {
		location := cfg.BlobURL
		if i > 0 {
			location = blob.Below(location, name)
		}
		if stores[i], err = blob.Open(location, filepath.Join(cfg.Data, name)); err != nil {
			return nil, err
		}
	}
	registry := prometheus.NewRegistry()
	k := &Kit{Blobs: stores[0], Files: stores[1], Chunks: stores[2], Service: service, DataDir: dir, Config: cfg, Scope: scope, metrics: registry, front: front, url: cfg.URL}
	if front != nil {
		registry, k.metrics, k.url = front.registry, front.registry, front.url
	} else {
		registerProcess(registry)
	}
	k.Registry = prometheus.WrapRegistererWith(prometheus.Labels{"service": service}, registry)
	return k, nil
}

// BaseURL is the address of this installation without a trailing slash.
func (k *Kit) BaseURL() string { return k.url }

// Go runs f until ctx ends, again and again with a growing pause when it fails or panics.
// A failure is logged and reported.
func (k *Kit) Go(ctx context.Context, name string, f func(context.Context) error) {
	k.tasks.Add(1)
	go func() {
		defer k.tasks.Done()
		pause := 100 * time.Millisecond
		for ctx.Err() == nil {
			started := time.Now()
			err := guarded(ctx, f)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				return
			}
			slog.ErrorContext(ctx, "task failed", "task", name, "err", err)
			if time.Since(started) > time.Minute {
				pause = 100 * time.Millisecond
			}
			Sleep(ctx, pause)
			pause = min(2*pause, 30*time.Second)
		}
	}()
}

// Every calls f at once and then every d until ctx ends. A failure is logged and reported, and
// the next call happens all the same.
func (k *Kit) Every(ctx context.Context, name string, d time.Duration, f func(context.Context) error) {
	k.tasks.Add(1)
	go func() {
		defer k.tasks.Done()
		for {
			if err := guarded(ctx, f); err != nil && ctx.Err() == nil {
				slog.ErrorContext(ctx, "periodic task failed", "task", name, "err", err)
			}
			if !Sleep(ctx, d) {
				return
			}
		}
	}()
}

// Wait returns when every task started with Go and Every has ended.
func (k *Kit) Wait() { k.tasks.Wait() }

func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f(ctx)
}

// Sleep waits for d; it reports false, at once, when ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Signals returns a context that ends with the first SIGINT or SIGTERM; the second ends the
// process at once.
func Signals() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s := <-ch
		slog.Info("stopping", "signal", s.String())
		cancel(fmt.Errorf("received %s", s))
		<-ch
		os.Exit(1)
	}()
	return ctx, func() { cancel(errors.New("done")) }
}
