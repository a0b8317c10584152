package notifier

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/delivery/email"
	"github.com/tocsin-dev/tocsin/internal/delivery/loopback"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// Config is the notifier's settings.
type Config struct {
	AllowPrivate string `name:"allow-private-destinations" help:"Networks, as comma-separated CIDRs, that alerts may be sent to although they are not public." env:"TOCSIN_ALLOW_PRIVATE_DESTINATIONS"`
	WeeklyReport string `name:"weekly-report" help:"When members get the report of their week by mail, in UTC. Empty: never." default:"Mon 08:00" env:"TOCSIN_WEEKLY_REPORT"`
}

const (
	measureEvery  = 15 * time.Second
	dropEvery     = 10 * time.Minute
	foldEvery     = time.Second
	escalateEvery = 5 * time.Second
	// connsPerHost is how many connections one host may hold: many destinations share one.
	connsPerHost = 16
	dropChunk    = 1000
	// keepLog is how long finished deliveries stay in the log.
	keepLog = 90 * 24 * time.Hour
)

// Service matches changes with rules and delivers what comes of it.
type Service struct {
	store    *postgres.Store
	holder   string // of leases
	key      *seal.Key
	channels map[string]delivery.Channel
	rules    *ruleCache
	memory   *memory
	baseURL  func() string
	metrics  *metrics
	// reportTime is when weekly reports are sent, if they are.
	reportTime alert.ReportTime
	wake       chan struct{} // holds one: a delivery may have become due
}

// Run delivers alerts until ctx ends, then finishes or gives back what it has in hand.
func Run(ctx context.Context, k *app.Kit, cfg Config) error {
	allow, err := outbound.ParsePrefixes(cfg.AllowPrivate)
	if err != nil {
		return err
	}
	key, err := k.SecretKey()
	if err != nil {
		return err
	}
	client := outbound.New(outbound.Options{AllowPrivate: allow, ConnsPerHost: connsPerHost})
	defer client.Close()
	agent := strings.TrimSuffix("Tocsin/"+strings.TrimPrefix(telemetry.Version(), "tocsin@"), "/")
	relay, err := email.ParseRelay(k.Config.SMTPURL, k.Config.MailFrom)
	if err != nil {
		return err
	}
	name, done, err := holder(k.DataDir)
	if err != nil {
		return err
	}
	defer done()
	s := &Service{
		store:    k.Store,
		holder:   name,
		key:      key,
		channels: channels.Open(&delivery.Poster{Client: client, Agent: agent}, relay, k.BaseURL()),
		rules:    &ruleCache{rules: map[int64]cachedRules{}},
		memory:   newMemory(),
		baseURL:  k.BaseURL,
		metrics:  newMetrics(k.Registry),
		wake:     make(chan struct{}, 1),
	}
	s.channels[alert.ChannelLoopback] = loopback.Channel{}
	if cfg.WeeklyReport != "" {
		if s.reportTime, err = alert.ParseReportTime(cfg.WeeklyReport); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer k.Wait()
	defer cancel()
	k.Ready("database", k.Store.Ping)
	k.Ready("bus", func(context.Context) error { return k.Bus.Healthy() })
	k.Go(ctx, "deliver", s.deliver)
	k.Go(ctx, "consume alerts", func(ctx context.Context) error { return bindings.Alerts.Consume(ctx, k.Bus, s.Alert) })
	k.Go(ctx, "serve rules.test", func(ctx context.Context) error { return bindings.TestRule.Serve(ctx, k.Bus, s.test) })
	k.Go(ctx, "serve deliveries.redeliver", func(ctx context.Context) error { return bindings.Redeliver.Serve(ctx, k.Bus, s.redeliver) })
	k.Every(ctx, "measure deliveries", measureEvery, s.measure)
	k.Every(ctx, "make digests", foldEvery, s.flushFolds)
	k.Every(ctx, "escalate alerts", escalateEvery, s.escalate)
	k.Every(ctx, "drop old deliveries", dropEvery, s.drop)
	if cfg.WeeklyReport != "" && relay != nil {
		k.Every(ctx, "mail weekly reports", reportEvery, s.report)
	}
	return k.Serve(ctx, http.NotFoundHandler())
}

// nudge makes deliver look for due deliveries now.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Service) measure(ctx context.Context) error {
	b, err := s.store.DeliveryBacklog(ctx)
	if err != nil {
		return err
	}
	s.metrics.backlog(b, time.Now())
	return nil
}

// drop removes old entries of the delivery log, in chunks that hold no lock for long.
func (s *Service) drop(ctx context.Context) error {
	for {
		n, err := s.store.DropDeliveries(ctx, time.Now().Add(-keepLog), dropChunk)
		if err != nil || n < dropChunk {
			return err
		}
	}
}
