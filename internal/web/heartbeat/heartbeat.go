// Package heartbeat proves from outside that the installation works: it sends a synthetic event
// through the public door, waits until it is visible and an alert about it is delivered, and tells
// people past the notifier when that fails.
//
//	beat ──POST──▶ public door ─▶ processor ─▶ Postgres ◀──visible?──┐
//	                                   └─▶ rule ─▶ loopback ◀─alert?─┤
//	   mail, webhook ◀── failed twice ──────────────────────────────beat
package heartbeat

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/email"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// Config is the settings of heartbeats.
type Config struct {
	Every time.Duration `name:"heartbeat" help:"How often a synthetic event is sent through the public door and followed until its alert is delivered. 0s: never." default:"1m" env:"TOCSIN_HEARTBEAT"`
	URL   string        `name:"heartbeat-url" help:"Address that heartbeats are sent to. Empty: the one in DSNs." env:"TOCSIN_HEARTBEAT_URL"`
	Page  string        `name:"heartbeat-page" help:"Who is told when two heartbeats in a row fail, past the notifier: mailto:ops@example.com or https://… addresses, with commas between them." env:"TOCSIN_HEARTBEAT_PAGE"`
	Ping  string        `name:"heartbeat-ping" help:"Address that is asked after each heartbeat that came through: of a dead-man's switch outside, for when this machine is gone." env:"TOCSIN_HEARTBEAT_PING"`
}

const (
	// An event that is not visible and told within a limit failed: three quarters of the time between
	// two, within these bounds.
	minLimit = 10 * time.Second
	maxLimit = 45 * time.Second
	look     = 50 * time.Millisecond // between two looks at the database
	settle   = 3 * time.Second       // until ingest knows of a new key: it takes two at most
	// requestTime bounds a request to the public door, and one that tells people.
	requestTime = 10 * time.Second
)

// everywhere: the addresses are the operator's own, and may be private.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// Monitor sends heartbeats. One goroutine uses it.
type Monitor struct {
	store   *postgres.Store
	key     *seal.Key
	url     string
	every   time.Duration
	limit   time.Duration
	holder  string
	client  *outbound.Client
	pager   *pager
	metrics *metrics
}

// New returns a monitor of the installation at base; nil when heartbeats are switched off.
// fault.Invalid names a setting that cannot be right.
func New(k *app.Kit, key *seal.Key, cfg Config, ingestURL string) (*Monitor, error) {
	if cfg.Every <= 0 {
		return nil, nil
	}
	address := k.BaseURL()
	for _, other := range []string{ingestURL, cfg.URL} {
		if other != "" {
			address = strings.TrimSuffix(other, "/")
		}
	}
	if _, err := outbound.ParseURL(address); err != nil {
		return nil, fault.New(fault.Invalid, "the address of heartbeats: %s", fault.Public(err))
	}
	relay, err := email.ParseRelay(k.Config.SMTPURL, k.Config.MailFrom)
	if err != nil {
		return nil, err
	}
	client := outbound.New(outbound.Options{AllowPrivate: everywhere, Timeout: requestTime})
	p, err := newPager(cfg, client, relay, k.BaseURL())
	if err != nil {
		return nil, err
	}
	return &Monitor{store: k.Store, key: key, url: address, every: cfg.Every, limit: min(max(cfg.Every*3/4, minLimit), maxLimit), holder: rand.Text(),
		client: client, pager: p, metrics: newMetrics(k.Registry)}, nil
}

// Run sends heartbeats until ctx ends; of several web services one does.
func (m *Monitor) Run(ctx context.Context) error {
	defer m.client.Close()
	for app.Sleep(ctx, m.every) {
		_, mine, err := m.store.AcquireLease(ctx, "heartbeat", m.holder, 2*m.every+m.limit)
		if err == nil && !mine {
			m.metrics.idle()
			continue
		}
		h := m.beat(ctx)
		if ctx.Err() != nil {
			return nil
		}
		m.metrics.beat(&h)
		if h.Failure != "" {
			slog.WarnContext(ctx, "heartbeat failed", "reason", h.Failure)
		}
		m.pager.tell(ctx, &h)
	}
	return nil
}

// beat sends one event, follows it, and records how it fared as far as the database can be reached.
func (m *Monitor) beat(ctx context.Context) postgres.Heartbeat {
	h := postgres.Heartbeat{SentAt: time.Now().UTC()}
	following, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	site, made, err := m.site(following)
	if err != nil {
		h.Failure = "The database does not answer: " + fault.Public(err) + "."
		return h
	}
	if made && !app.Sleep(following, settle) {
		return h
	}
	var id event.ID
	_, _ = rand.Read(id[:]) // never fails, by its contract
	h.SentAt = time.Now().UTC()
	h.Failure = m.follow(following, site, id, &h)
	recording, cancelRecording := context.WithTimeout(ctx, requestTime)
	defer cancelRecording()
	if err := m.store.RecordHeartbeat(recording, site, id, &h); err != nil && h.Failure == "" {
		h.Failure = "The database does not answer: " + fault.Public(err) + "."
	}
	return h
}

// follow takes an event from the door to the delivered alert and says where it stopped.
func (m *Monitor) follow(ctx context.Context, site postgres.HeartbeatSite, id event.ID, h *postgres.Heartbeat) string {
	since := func() *int32 { return new(int32(time.Since(h.SentAt).Milliseconds())) }
	if failure := m.send(ctx, site, id); failure != "" {
		return failure
	}
	h.AcceptedMS = since()
	if !m.until(ctx, func() (bool, error) {
		_, err := m.store.EventOf(ctx, site.ProjectID, id)
		if err != nil && fault.KindOf(err) == fault.Unknown {
			return false, nil
		}
		return err == nil, err
	}) {
		return fmt.Sprintf("The event was accepted and is not visible after %s: see the processor and its queue.", m.limit)
	}
	h.VisibleMS = since()
	if !m.until(ctx, func() (bool, error) { return m.store.HeartbeatAlerted(ctx, site, id) }) {
		return fmt.Sprintf("The event is visible and no alert was delivered within %s: see the notifier and its queue.", m.limit)
	}
	h.AlertedMS = since()
	return ""
}

// until looks again and again; false: ctx ended first.
func (m *Monitor) until(ctx context.Context, seen func() (bool, error)) bool {
	for pause := look; ; pause = min(2*pause, time.Second) {
		if ok, err := seen(); ok && err == nil {
			return true
		}
		if !app.Sleep(ctx, pause) {
			return false
		}
	}
}

// send posts the event as an SDK does and says what is wrong with the answer.
func (m *Monitor) send(ctx context.Context, site postgres.HeartbeatSite, id event.ID) string {
	body := fmt.Sprintf(`{"event_id":%q,"timestamp":%d,"level":"info","platform":"other","logger":"tocsin.heartbeat","message":"Heartbeat","fingerprint":["tocsin-heartbeat"],"tags":{"heartbeat":%q}}`,
		id, time.Now().Unix(), id)
	envelope := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(body), body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url+"/api/"+strconv.FormatInt(site.ProjectID, 10)+"/envelope/", strings.NewReader(envelope))
	if err != nil {
		return "The public door has no address: " + m.url
	}
	req.Header.Set("Content-Type", "application/x-sentry-envelope")
	req.Header.Set("X-Sentry-Auth", "Sentry sentry_version=7, sentry_client=tocsin.heartbeat/1, sentry_key="+site.PublicKey)
	res, err := m.client.Do(req)
	switch {
	case err != nil:
		return "The public door at " + m.url + " does not answer: " + fault.Public(err) + "."
	case res.Status != http.StatusOK:
		return "The public door at " + m.url + " answered " + strconv.Itoa(res.Status) + "."
	}
	return ""
}

// site returns where heartbeats go, with its rule; made when one was missing.
func (m *Monitor) site(ctx context.Context) (site postgres.HeartbeatSite, made bool, err error) {
	if site, err = m.store.HeartbeatSite(ctx); err != nil || site.RuleID != 0 {
		return site, false, err
	}
	sealed, err := delivery.Seal(site.OrganizationID, delivery.Settings{}, m.key)
	if err != nil {
		return site, false, err
	}
	d := alert.Destination{Organization: site.OrganizationID, Channel: alert.ChannelLoopback, Name: "Heartbeat", Target: "this installation", Settings: sealed,
		Noise: alert.Noise{DigestMin: alert.DefaultDigestMin, DigestMax: alert.DefaultDigestMax}}
	if err := m.store.PutDestination(ctx, &d); err != nil {
		return site, false, err
	}
	r := alert.Rule{Project: site.ProjectID, Name: "Every heartbeat", Enabled: true, Match: alert.MatchAll, FilterMatch: alert.MatchAll,
		Conditions: []alert.Clause{{Kind: alert.KindEvent}}, Filters: []alert.Clause{{Kind: alert.KindTag, Key: "heartbeat", Match: alert.OpSet}},
		Actions: []alert.Action{{Kind: alert.ActionDestination, Destination: d.ID}}}
	if err := m.store.PutRule(ctx, &r); err != nil {
		return site, false, err
	}
	site.RuleID = r.ID
	return site, true, m.store.SetHeartbeatRule(ctx, r.ID)
}
