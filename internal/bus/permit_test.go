package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/crypto/bcrypt"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// attempt reports whether the broker refuses a subject to an identity. A refusal reaches the
// client's error handler; a PING behind it proves that there was none.
func attempt(t testing.TB, open func(...nats.Option) (*nats.Conn, error), verb, subject string) (refused bool) {
	t.Helper()
	nc, err := open(nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if verb == "publish" {
		err = nc.Publish(subject, []byte("x"))
	} else {
		_, err = nc.SubscribeSync(subject)
	}
	if err == nil {
		err = nc.FlushTimeout(5 * time.Second)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", verb, subject, err)
	}
	err = nc.LastError() // the broker answered it before the flush
	if err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		t.Fatalf("%s %s: %v", verb, subject, err)
	}
	return err != nil
}

// forbidden lists, per service of deploy/bindings.yaml, what it must not get through.
var forbidden = map[string][]string{
	"publish": {
		"q.alerts", "q.nothing", "dlq.alerts", "call.nothing", "$KV.other.1", "$SYS.REQ.SERVER.PING", "anything",
		"$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.UPDATE.EVENTS",
		"$JS.API.STREAM.MSG.GET.DLQ", "$JS.API.STREAM.MSG.DELETE.DLQ", "$JS.API.STREAM.MSG.GET.EVENTS",
		"$JS.API.CONSUMER.CREATE.EVENTS.spy", "$JS.API.CONSUMER.DELETE.EVENTS.events-processor",
		"$JS.API.CONSUMER.MSG.NEXT.ALERTS.alerts-processor", "$JS.ACK.ALERTS.alerts-other.1.1.1.1.1",
		"$JS.API.CONSUMER.PAUSE.EVENTS.events-processor", "$JS.API.STREAM.LIST", "_INBOX_web.x",
	},
	"subscribe": {">", "q.events", "q.>", "$KV.>", "$KV.projects.>", "$JS.ACK.>", "$JS.API.>", "dlq.>", "_INBOX.>", "_INBOX_admin.>", "$SYS.>", "call.nothing"},
}

// allowedAnyway are entries of forbidden that one service needs.
var allowedAnyway = map[string][]string{
	"processor": {"q.alerts", "$JS.API.CONSUMER.PAUSE.EVENTS.events-processor"}, "notifier": {"dlq.alerts"},
	"web": {"q.alerts", "$JS.API.STREAM.MSG.GET.DLQ", "$JS.API.STREAM.MSG.DELETE.DLQ", "$JS.API.CONSUMER.PAUSE.EVENTS.events-processor"},
}

// everywhere runs check against the embedded broker and against a nats-server that was started
// from the text of NATSConfig.
func everywhere(t *testing.T, check func(t *testing.T, open func(identity string) func(...nats.Option) (*nats.Conn, error))) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		srv := natstest.New(t)
		check(t, func(identity string) func(...nats.Option) (*nats.Conn, error) {
			o := srv.Options(identity)
			return func(more ...nats.Option) (*nats.Conn, error) {
				return nats.Connect("", append(more, nats.InProcessServer(o.InProcess), nats.UserInfo(o.User, o.Password),
					nats.CustomInboxPrefix("_INBOX_"+identity))...)
			}
		})
	})
	t.Run("config", func(t *testing.T) {
		t.Parallel()
		url, secrets := configured(t, bindings.Graph())
		check(t, func(identity string) func(...nats.Option) (*nats.Conn, error) {
			return func(more ...nats.Option) (*nats.Conn, error) {
				return nats.Connect(url, append(more, nats.UserInfo(identity, secrets[identity]), nats.CustomInboxPrefix("_INBOX_"+identity))...)
			}
		})
	})
}

// configured starts a nats-server from a configuration file, with one password hashed.
func configured(t *testing.T, g *bus.Graph) (url string, secrets map[string]string) {
	t.Helper()
	secrets, given := map[string]string{}, map[string]string{}
	for i, identity := range g.Identities() {
		secrets[identity] = fmt.Sprintf("secret \"of\" \\%s", identity)
		given[identity] = secrets[identity]
		if i == 0 {
			hash, err := bcrypt.GenerateFromPassword([]byte(secrets[identity]), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			given[identity] = string(hash)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	text := g.NATSConfig(bus.Broker{Listen: "127.0.0.1:-1", StoreDir: dir, Secrets: given})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := natsserver.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	opts.NoSigs, opts.NoLog = true, true
	srv, err := natsserver.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	if !opts.SyncAlways || opts.MaxPayload != bus.MaxPayload {
		t.Errorf("want sync always and %d bytes, got %v and %d", bus.MaxPayload, opts.SyncAlways, opts.MaxPayload)
	}
	return srv.ClientURL(), secrets
}

func TestTheBrokerRefusesWhatIsNotBound(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, open func(string) func(...nats.Option) (*nats.Conn, error)) {
		for service := range bindings.Graph().Services {
			for verb, subjects := range forbidden {
				for _, subject := range subjects {
					if verb == "publish" && slices.Contains(allowedAnyway[service], subject) {
						continue
					}
					if !attempt(t, open(service), verb, subject) {
						t.Errorf("want %s refused to %s %s", service, verb, subject)
					}
				}
			}
			for other := range bindings.Graph().Services {
				if other != service && !attempt(t, open(service), "subscribe", "_INBOX_"+other+".>") {
					t.Errorf("want %s refused to read the replies to %s", service, other)
				}
			}
		}
		for service, subject := range map[string]string{"ingest": "q.events", "processor": "q.alerts", "web": "call.rules.test", "notifier": "dlq.alerts"} {
			if attempt(t, open(service), "publish", subject) {
				t.Errorf("want %s allowed to publish %s", service, subject)
			}
		}
	})
}

// TestEveryEdgeWorksUnderItsPermissions drives each edge of deploy/bindings.yaml with the rights
// of its two ends, and nothing else, over a broker that was configured from text.
func TestEveryEdgeWorksUnderItsPermissions(t *testing.T) {
	t.Parallel()
	g := bindings.Graph()
	url, secrets := configured(t, g)
	admin, err := bus.ConnectAdmin(strings.Replace(url, "nats://", "nats://"+urlUser(secrets, bus.Admin), 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	for range 2 { // a second time changes nothing
		if err := bus.Ensure(t.Context(), admin, g, bus.Limits{StoreBytes: 64 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	denied := make(chan string, 100)
	conns := map[string]*bus.Conn{}
	for service := range g.Services {
		c, err := bus.Connect(t.Context(), bus.Options{Service: service, Graph: g, URL: url, User: service, Password: secrets[service],
			Log: slog.New(slog.NewTextHandler(channelWriter(denied), &slog.HandlerOptions{Level: slog.LevelError}))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = c.Close(ctx) // the broker goes at the same time
		})
		conns[service] = c
	}
	for name, q := range g.Queues {
		work := bus.Queue[int]{Name: name}
		for _, producer := range q.Producers {
			p, err := work.Publisher(conns[producer])
			if err != nil {
				t.Fatal(err)
			}
			until(t, producer+" publishes to "+name, func() bool { return p.Publish(t.Context(), 1) == nil })
		}
		done := make(chan int, 10)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- work.Consume(ctx, conns[q.Consumer], func(_ context.Context, batch []int) ([]bus.Reject, error) {
				done <- len(batch)
				return []bus.Reject{{Index: 0, Err: errors.New("to the dead letters")}}, nil
			})
		}()
		<-done
		until(t, "a dead letter of "+name, func() bool {
			letters, err := bus.OpenLetters(admin, q.DeadLetterQueue)
			if err != nil {
				return false
			}
			list, _, err := letters.List(t.Context(), bus.LetterQuery{Queue: name}, 10)
			return err == nil && len(list) > 0
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for name, k := range g.Calls {
		call := bus.Call[int, int]{Name: name}
		serve(t, conns[k.Server], call, func(_ context.Context, n int) (int, error) { return n + 1, nil })
		for _, caller := range k.Callers {
			x := client(t, conns[caller], call)
			until(t, "an answer of "+name, func() bool { n, err := x.Do(t.Context(), 1); return err == nil && n == 2 })
		}
	}
	if _, err := admin.Request("$SRV.PING", nil, 5*time.Second); err != nil {
		t.Errorf("discovery: %v", err)
	}
	bucket := bus.Bucket[int]{Name: "projects"}
	if err := bucket.Put(t.Context(), conns["web"], "1", 7); err != nil {
		t.Error(err)
	}
	watchCtx, stop := context.WithCancel(t.Context())
	seen := make(chan int, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- bucket.Watch(watchCtx, conns["ingest"], func(_ string, v *int) { seen <- *v }, func() {})
	}()
	if got := <-seen; got != 7 {
		t.Errorf("watch: want 7, got %d", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := conns["web"].Depths(t.Context()); err != nil {
		t.Errorf("depths: %v", err)
	}
	for len(denied) > 0 {
		if line := <-denied; strings.Contains(line, "ermissions") {
			t.Errorf("want nothing refused, got %s", line)
		}
	}
}

func urlUser(secrets map[string]string, identity string) string {
	return identity + ":" + strings.NewReplacer(" ", "%20", `"`, "%22", `\`, "%5C").Replace(secrets[identity]) + "@"
}

// channelWriter collects log lines.
type channelWriter chan string

func (w channelWriter) Write(b []byte) (int, error) {
	select {
	case w <- string(b):
	default:
	}
	return len(b), nil
}
