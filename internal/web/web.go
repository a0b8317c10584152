// Package web is the service that people and API clients talk to: pages in ui, the API in api, and
// the publisher that tells ingest about projects.
//
//	browser ──▶ login ──┬▶ ui   pages and forms
//	client ───▶ token ──┴▶ api  /api/0, /api/v1
//	Postgres ──▶ publisher ──▶ bucket projects ──▶ ingest
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	openapi "github.com/tocsin-dev/tocsin/api"
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/delivery/email"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/heartbeat"
	"github.com/tocsin-dev/tocsin/internal/web/mcp"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
	"github.com/tocsin-dev/tocsin/internal/web/scim"
	"github.com/tocsin-dev/tocsin/internal/web/ui"
)

// Config is the web service's settings.
type Config struct {
	// AllowPrivate is the notifier's setting of the same variable, for providers of sign-in.
	AllowPrivate string `name:"allow-private-providers" help:"Networks, as comma-separated CIDRs, that identity providers may be reached in although they are not public." env:"TOCSIN_ALLOW_PRIVATE_DESTINATIONS"`
	IngestURL    string `name:"ingest-url" help:"Address in DSNs, when SDKs do not reach this installation at --url." env:"TOCSIN_INGEST_URL"`

	Heartbeat heartbeat.Config `embed:""`
}

// maxProviderAnswer bounds what an identity provider may answer, in bytes.
const maxProviderAnswer = 1 << 20

const expireEvery = 10 * time.Minute

// Run serves pages and the API until ctx ends, then finishes the requests in hand.
func Run(ctx context.Context, k *app.Kit, cfg Config) error {
	desk, err := operate.New(k.Store, k.Bus)
	if err != nil {
		return err
	}
	handler, err := routes(ctx, k, cfg, desk)
	if err != nil {
		return err
	}
	key, err := k.SecretKey()
	if err != nil {
		return err
	}
	monitor, err := heartbeat.New(k, key, cfg.Heartbeat, cfg.IngestURL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer k.Wait()
	defer cancel()
	if monitor != nil {
		k.Go(ctx, "heartbeat", monitor.Run)
	}
	k.Ready("database", k.Store.Ping)
	k.Depends("bus", func(context.Context) error { return k.Bus.Healthy() })
	p := &publisher{snapshots: k.Store.Snapshots, deleted: k.Store.DeletedProjects, bucket: bucket{k.Bus}}
	k.Go(ctx, "publish projects", func(ctx context.Context) error {
		return p.follow(ctx, k.Store.ConfigurationRevision, k.Store.Configured())
	})
	k.Go(ctx, "dead letter runs", desk.Work)
	measured := operate.NewMetrics(k.Registry)
	k.Every(ctx, "measure the queues", operate.MeasureEvery, func(ctx context.Context) error { return desk.Measure(ctx, measured) })
	k.Every(ctx, "remove expired logins", expireEvery, func(ctx context.Context) error {
		n, err := k.Store.Logins().Expire(ctx)
		if n > 0 {
			slog.InfoContext(ctx, "removed expired logins", "count", n)
		}
		return errors.Join(err, k.Store.ExpireLoginRows(ctx, ui.LoginLifetime))
	})
	return k.Serve(ctx, handler)
}

// routes joins the pages and the API.
func routes(ctx context.Context, k *app.Kit, cfg Config, desk *operate.Desk) (http.Handler, error) {
	key, err := k.SecretKey()
	if err != nil {
		return nil, err
	}
	test, err := bindings.TestRule.Client(k.Bus)
	if err != nil {
		return nil, err
	}
	redeliver, err := bindings.Redeliver.Client(k.Bus)
	if err != nil {
		return nil, err
	}
	allow, err := outbound.ParsePrefixes(cfg.AllowPrivate)
	if err != nil {
		return nil, err
	}
	symbols := symbol.New(k.Store, k.Files, k.Config.Symbols)
	symbols.ReadDumps(k.Blobs)
	k.Registry.MustRegister(symbols.Collectors()...)
	relay, err := email.ParseRelay(k.Config.SMTPURL, k.Config.MailFrom)
	if err != nil {
		return nil, err
	}
	var mail func(ctx context.Context, to, subject, text string) error
	if relay != nil {
		mail = func(ctx context.Context, to, subject, text string) error {
			return relay.SendText(ctx, k.BaseURL(), to, subject, text)
		}
	}
	var service *api.Service
	pages := ui.New(ui.Options{
		Mail: mail, Store: k.Store, Blobs: k.Blobs, Files: k.Files, Desk: desk, Symbols: symbols, BaseURL: k.BaseURL(), IngestURL: cfg.IngestURL, Key: key, Done: ctx.Done(), Test: test.Do, Redeliver: redeliver.Do,
		Outbound: outbound.New(outbound.Options{AllowPrivate: allow, MaxResponseBytes: maxProviderAnswer}).HTTP(), Contract: openapi.Document,
		RightsChanged: func() { service.Forget() }, Heartbeat: cfg.Heartbeat.Every,
	})
	k.Go(ctx, "send mail in hand", func(ctx context.Context) error {
		<-ctx.Done()
		pages.Wait()
		return nil
	})
	release := strings.TrimPrefix(telemetry.Version(), "tocsin@")
	var invite func(ctx context.Context, to, organization, inviter, link string)
	if relay != nil {
		invite = pages.MailInvite
	}
	service = api.New(api.Options{
		Invite: invite,
		Store:  k.Store, Blobs: k.Blobs, Files: k.Files, Chunks: k.Chunks, Symbols: symbols, BaseURL: k.BaseURL(), Release: release, Key: key,
		TestRule: test.Do, Redeliver: redeliver.Do, Desk: desk, Changed: pages.Changed,
	})
	mux := http.NewServeMux()
	mux.Handle("/api/", pages.WithReader(service))
	mux.Handle("/mcp", mcp.New(mcp.Options{API: service, Authenticate: service.Authenticate, Trail: service.Trail(), Release: release}))
	mux.Handle("/scim/v2/", scim.New(scim.Options{Store: k.Store, BaseURL: k.BaseURL(), Authenticate: service.Authenticate, Trail: service.Trail(), Changed: service.Forget}))
	mux.Handle("/", pages)
	return mux, nil
}
