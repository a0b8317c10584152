package channels_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/delivery/email"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/testkit/smtpsink"
)

const (
	base = "https://tocsin.example"
	hook = "/hooks/canary-path" // of a service's address
)

var certificate tls.Certificate // of the mail sink

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "channels-")
	if err == nil {
		certificate, err = smtpsink.Trusted(filepath.Join(dir, "authority.pem"))
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// kind is a channel in one of its forms.
type kind struct {
	name     string
	channel  string
	settings func(url string) delivery.Settings // url: where its service is
	ok       string                             // what the service answers
	secret   string                             // that must not show
}

// kinds is every channel in every form; TestEveryChannelIsHeldToTheTable says so.
func kinds() []kind {
	only := func(more ...string) func(string) delivery.Settings {
		return func(url string) delivery.Settings {
			s := delivery.Settings{"url": url}
			for i := 0; i < len(more); i += 2 {
				s[more[i]] = more[i+1]
			}
			return s
		}
	}
	api := func(more ...string) func(string) delivery.Settings {
		return func(url string) delivery.Settings {
			s := only(more...)(url)
			s["api"] = s["url"]
			delete(s, "url")
			return s
		}
	}
	const secret = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnk="
	list := []kind{
		{"email", alert.ChannelEmail, func(string) delivery.Settings { return delivery.Settings{"to": "ops@example.com"} }, "", ""},
		{"slack-webhook", alert.ChannelSlack, only(), "ok", ""},
		{"slack-bot", alert.ChannelSlack, api("token", "xoxb-canary-0123456789", "channel", "C012", "signing_secret", "canary-signing"), `{"ok":true,"ts":"1.2"}`, "xoxb-canary"},
		{"discord", alert.ChannelDiscord, only(), "", ""},
		{"teams", alert.ChannelTeams, only(), "", ""},
		{"mattermost", alert.ChannelMattermost, only("channel", "ops", "username", "Tocsin"), "ok", ""},
		{"telegram", alert.ChannelTelegram, api("token", "123456:canary_0123456789", "chat", "-1001", "thread", "7"), `{"ok":true,"result":{"message_id":5}}`, "canary_01"},
		{"googlechat", alert.ChannelGoogleChat, only(), "{}", ""},
		{"ntfy", alert.ChannelNtfy, func(url string) delivery.Settings {
			return delivery.Settings{"url": strings.TrimSuffix(url, hook) + "/my-topic", "token": "tk_canary0123456789"}
		}, "{}", "tk_canary"},
		{"pagerduty", alert.ChannelPagerDuty, api("routing_key", "canary0123456789canary0123456789"), `{"status":"success"}`, "canary01"},
		{"opsgenie", alert.ChannelOpsgenie, api("key", "canary01-2345-6789-0123-456789012345"), `{"result":"Request will be processed"}`, "canary01"},
	}
	for _, format := range []string{"sentry", "issue", "legacy", "tocsin"} {
		list = append(list, kind{"webhook-" + format, alert.ChannelWebhook, only("secret", secret, "format", format), "", secret})
	}
	return list
}

func (k *kind) http() bool { return k.channel != alert.ChannelEmail }

// open returns the channel over a client with the options; loopback is allowed unless they say so.
func (k *kind) open(t testing.TB, o outbound.Options, relay *email.Relay) delivery.Channel {
	t.Helper()
	client := outbound.New(o)
	t.Cleanup(client.Close)
	return channels.Open(&delivery.Poster{Client: client, Agent: "Tocsin/1.2.3"}, relay, base)[k.channel]
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func relayTo(t testing.TB, address string) *email.Relay {
	t.Helper()
	r, err := email.ParseRelay(seal.Secret(address), "Tocsin <tocsin@tocsin.example>")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func job(payload []byte) *alert.Job {
	return &alert.Job{Delivery: alert.Delivery{ID: 77, Project: 1}, Payload: payload}
}

// notice is an alert with everything that an alert can say.
func notice() *alert.Notice {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	return &alert.Notice{
		Delivery: 77, Kind: alert.NoticeAlert, BaseURL: base, Rule: alert.Rule{ID: 55, Name: "New in production"},
		Action: alert.Action{Tags: []string{"browser"}, Notes: "Runbook: restart the till."},
		Change: issue.Change{
			ID: 99, Kind: issue.ChangeRegressed, Project: 1, ProjectSlug: "checkout", ProjectName: "Checkout", Org: "default", Issue: 4611686018427387905,
			ShortID: "CHECKOUT-1F", Title: "ValueError: the cart is empty", Culprit: "cart.pay", Type: "error", Level: "error", Platform: "python",
			Logger: "shop.cart", Release: "shop@2.0.1", Environment: "production", EventID: "0123456789abcdef0123456789abcdef", Substatus: "regressed",
			Priority: "high", FirstSeen: at.Add(-50 * time.Hour), LastSeen: at, TimesSeen: 42, UserCount: 7, At: at,
		},
		Detail: alert.Detail{Message: "nothing to pay for", Frame: "shop/cart.py:12 in pay", Code: "raise ValueError('the cart is empty')",
			Tags: [][2]string{{"browser", "Firefox 145"}}, Commit: "4f1e2d3 pay: allow coupons (Ada)", Previous: "shop@2.0.0"},
		Interactive: true, Members: []alert.Person{{ID: 7, Name: "Ada"}}, Unsubscribe: base + "/unsubscribe?token=abc", To: "ops@example.com",
	}
}

func digest() *alert.Notice {
	n := notice()
	n.Kind, n.Rule = alert.NoticeDigest, alert.Rule{}
	n.Digest = &alert.Digest{Alerts: 41, Total: 12, From: n.Change.At.Add(-10 * time.Minute), To: n.Change.At,
		Changes: []alert.DigestChange{{Kind: issue.ChangeNew, Issues: 10}, {Kind: issue.ChangeRegressed, Issues: 1}, {Kind: issue.ChangeSeen, Issues: 1}}, Issues: []alert.DigestIssue{
			{ID: 1, ShortID: "CHECKOUT-2", Title: "KeyError: total", Level: "error", Change: issue.ChangeNew, Alerts: 3, TimesSeen: 900, UserCount: 2, Release: "shop@2.0.1", FirstSeen: n.Change.At},
			{ID: 2, ShortID: "CHECKOUT-3", Title: "Timeout", Level: "warning", Change: issue.ChangeRegressed, Alerts: 1, TimesSeen: 1, FirstSeen: n.Change.At}}}
	return n
}

func as(k alert.NoticeKind) *alert.Notice {
	n := notice()
	if n.Kind = k; k == alert.NoticeResolve {
		n.Change.Kind = issue.ChangeResolved
	}
	return n
}

// rebound is a resolver for which every name has a public address when it is asked first, and
// loopback ever after.
func rebound(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf, asked := make([]byte, 1500), map[string]bool{}
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if name := strings.ToLower(q.Name.String()); q.Type == dnsmessage.TypeA {
				address := [4]byte{127, 0, 0, 1}
				if !asked[name] {
					asked[name], address = true, [4]byte{93, 184, 215, 14}
				}
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: address}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
