package heartbeat

import (
	"context"
	"log/slog"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/email"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const (
	// failuresToTell in a row are told: one may be a restart.
	failuresToTell = 2
	// tellAgain is how often people hear of a failure that goes on.
	tellAgain = time.Hour
)

// pager tells people how heartbeats fare. It asks neither the bus nor the notifier.
type pager struct {
	mails    []string
	hooks    []string
	ping     string
	base     string
	client   *outbound.Client
	relay    *email.Relay
	failures int // in a row
	since    time.Time
	told     time.Time // zero: people think that all is well
}

func newPager(cfg Config, client *outbound.Client, relay *email.Relay, base string) (*pager, error) {
	p := &pager{client: client, relay: relay, base: base, ping: cfg.Ping}
	for text := range strings.SplitSeq(cfg.Page, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if address, isMail := strings.CutPrefix(text, "mailto:"); isMail {
			if _, err := mail.ParseAddress(address); err != nil {
				return nil, fault.New(fault.Invalid, "heartbeat-page: %q is not an address of mail", address)
			}
			if relay == nil {
				return nil, fault.New(fault.Invalid, "heartbeat-page: mail needs --smtp-url")
			}
			p.mails = append(p.mails, address)
			continue
		}
		if _, err := outbound.ParseURL(text); err != nil {
			return nil, fault.New(fault.Invalid, "heartbeat-page: %s", fault.Public(err))
		}
		p.hooks = append(p.hooks, text)
	}
	if p.ping != "" {
		if _, err := outbound.ParseURL(p.ping); err != nil {
			return nil, fault.New(fault.Invalid, "heartbeat-ping: %s", fault.Public(err))
		}
	}
	return p, nil
}

// tell decides whether people have to hear of a heartbeat, and tells them.
func (p *pager) tell(ctx context.Context, h *postgres.Heartbeat) {
	if h.Failure == "" {
		if !p.told.IsZero() {
			p.say(ctx, "ok", "Tocsin works again", "Heartbeats of "+p.base+" come through again. They failed for "+delivery.Span(h.SentAt.Sub(p.since))+".")
		}
		p.failures, p.told = 0, time.Time{}
		p.pinged(ctx)
		return
	}
	if p.failures++; p.failures == 1 {
		p.since = h.SentAt
	}
	if p.failures < failuresToTell || h.SentAt.Sub(p.told) < tellAgain {
		return
	}
	p.told = h.SentAt
	p.say(ctx, "failing", "Tocsin does not work", "Heartbeats of "+p.base+" have failed since "+p.since.Format("2006-01-02 15:04:05 UTC")+". "+h.Failure+
		"\nWhile they fail, errors may not be seen and alerts may not be sent.\n"+p.base+"/admin/health")
}

// say sends one message to everybody, directly. Its form is read by the incoming webhooks of chats.
func (p *pager) say(ctx context.Context, state, subject, text string) {
	body, err := delivery.JSON(map[string]string{"state": state, "title": subject, "text": subject + ". " + text, "content": subject + ". " + text})
	if err != nil {
		slog.ErrorContext(ctx, "heartbeat could not be told", "err", err)
		return
	}
	for _, hook := range p.hooks {
		p.ask(ctx, http.MethodPost, hook, string(body))
	}
	if len(p.mails) == 0 {
		return
	}
	from := p.relay.Sender(p.base)
	message, err := email.Plain(from, p.mails, subject, text)
	if err != nil {
		slog.ErrorContext(ctx, "heartbeat could not be told", "err", err)
		return
	}
	if a := p.relay.Deliver(ctx, from.Address, p.mails, message); a.Error != "" {
		slog.ErrorContext(ctx, "heartbeat could not be told by mail", "reason", a.Error, "status", a.Status)
	}
}

func (p *pager) pinged(ctx context.Context) {
	if p.ping != "" {
		p.ask(ctx, http.MethodGet, p.ping, "")
	}
}

func (p *pager) ask(ctx context.Context, method, address, body string) {
	u, err := url.Parse(address) // checked at the start
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	if res, err := p.client.Do(req); err != nil || res.Status/100 != 2 {
		slog.ErrorContext(ctx, "heartbeat could not be told", "host", u.Host, "status", res.Status, "err", err)
	}
}
