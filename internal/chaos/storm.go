package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
	"github.com/tocsin-dev/tocsin/internal/testkit/smtpsink"
)

// What a storm tries to send, and how many messages it may cause at each destination. The machine says
// how much of it is sent.
const (
	hotPerSecond = 5000
	newPerSecond = 1000
	stormLasts   = 10 * time.Second
	stormTold    = 5
	stormSenders = 24 // of each of the two loads
)

// storm is receivers that keep the texts they are sent: two chats, a webhook and a mailbox.
type storm struct {
	mail *smtpsink.Sink
	stop func()
	err  error // of the start of the mailbox

	mu    sync.Mutex
	texts map[string][]string // by destination
}

// stormy is the load of a storm in a world of its own, whose notifier sends mail.
func stormy() fault {
	s := &storm{texts: map[string][]string{}}
	return fault{id: "L02", name: "a storm of alerts", run: s.run, long: true, refuses: true, alone: func(o *fleet.Options) {
		if s.mail, s.stop, s.err = smtpsink.Start(nil); s.err == nil {
			o.Args = map[string][]string{"notifier": {"--smtp-url", s.mail.URL()}}
		}
	}}
}

// textOf is what a person reads of a message to a destination.
func textOf(destination string, body []byte) (string, error) {
	var m struct {
		Title, Message, Text string // ntfy, Slack
		Attachments          []struct {
			Blocks []struct {
				Text   struct{ Text string }
				Fields []struct{ Text string }
			}
		}
		Digest json.RawMessage // of several issues, instead of one
		Issue  struct{ Title string }
	}
	err := json.Unmarshal(body, &m)
	switch destination {
	case "ntfy":
		return m.Title + "\n" + m.Message, err
	case "webhook":
		if len(m.Digest) > 0 {
			return string(m.Digest), err
		}
		return m.Issue.Title, err
	}
	lines := []string{m.Text}
	for _, a := range m.Attachments {
		for _, b := range a.Blocks {
			lines = append(lines, b.Text.Text)
			for _, f := range b.Fields {
				lines = append(lines, f.Text)
			}
		}
	}
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n"), err
}

func (s *storm) receive(w http.ResponseWriter, r *http.Request) {
	destination, _, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	if destination == "" { // ntfy names its topic in the body
		destination = "ntfy"
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	text := ""
	if err == nil {
		text, err = textOf(destination, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[destination] = append(s.texts[destination], text)
}

// rules lets everybody hear of everything: of each new issue, of every event, and of many at once.
func (s *storm) rules(ctx context.Context, w *world, url string) error {
	var user string
	if err := w.db.QueryRow(ctx, "select id::text from users order by id limit 1").Scan(&user); err != nil {
		return err
	}
	actions := []map[string]string{{"kind": "member", "targetId": user}}
	for channel, settings := range map[string]map[string]string{"ntfy": {"url": url + "/alerts"}, "slack": {"url": url + "/slack"}, "webhook": {"url": url + "/webhook", "format": "tocsin"}} {
		var made struct{ ID string }
		if err := w.api(ctx, http.MethodPost, "/api/v1/organizations/"+w.Organization+"/destinations/", map[string]any{"channel": channel, "name": channel, "settings": settings}, &made); err != nil {
			return err
		}
		actions = append(actions, map[string]string{"kind": "destination", "destination": made.ID})
	}
	for name, condition := range map[string]map[string]any{
		"Every new issue":                  {"kind": "new"},
		"Every event":                      {"kind": "event"},
		"More than 1,000 events a minute":  {"kind": "events", "value": "1000", "interval": "1m"},
		"More than 1,000 times as often":   {"kind": "events", "value": "100000", "interval": "1h", "compare": true, "shift": "1d"},
		"An issue that comes in a release": {"kind": "new_release"},
	} {
		if err := w.api(ctx, http.MethodPut, "/api/v1/projects/"+w.Organization+"/"+w.Project+"/alert-rules/", map[string]any{"name": name, "enabled": true, "match": "any", "filterMatch": "all",
			"conditions": []any{condition}, "filters": []any{}, "frequencyMinutes": 30, "actions": actions}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// send sends the storm: issue names what an event is grouped by.
func (s *storm) send(ctx context.Context, w *world, perSecond int, issue func(n int64) string) (sent int64) {
	var next, acked atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range stormSenders {
		group.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1)
				at := start.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
				if at.Sub(start) > stormLasts || time.Since(start) > stormLasts {
					return
				}
				time.Sleep(time.Until(at))
				id, name := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), issue(n)
				event := fmt.Sprintf(`{"event_id":%q,"level":"error","platform":"go","release":"shop@2.1.0","environment":"production","fingerprint":[%q],"user":{"id":"%d"},`+
					`"exception":{"values":[{"type":"PaymentError","value":%q,"stacktrace":{"frames":[{"function":"Charge","module":"shop/pay","filename":"pay/charge.go","lineno":88,"in_app":true,"context_line":"return gateway.Charge(ctx, order)"}]}}]}}`,
					id, name, n%5000, "the gateway refused "+name)
				status, err := w.load.post(ctx, fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(event), event))
				if err == nil && status == http.StatusOK {
					acked.Add(1)
					w.load.ledger.add(id)
				}
			}
		})
	}
	group.Wait()
	return acked.Load()
}

// run sends the storm, waits until all of it is told, and prints every message as a person reads it.
func (s *storm) run(ctx context.Context, w *world, _ *rand.Rand) error {
	if s.err != nil {
		return s.err
	}
	defer s.stop()
	srv := httptest.NewServer(http.HandlerFunc(s.receive))
	defer srv.Close()
	defer w.load.rate.Store(w.load.rate.Swap(1)) // the machine is for the storm
	if err := s.rules(ctx, w, srv.URL); err != nil {
		return err
	}
	var hot, fresh int64
	var group sync.WaitGroup
	group.Go(func() { hot = s.send(ctx, w, hotPerSecond, func(int64) string { return "card payments" }) })
	group.Go(func() {
		fresh = s.send(ctx, w, newPerSecond, func(n int64) string { return "order " + letters(n) })
	})
	group.Wait()
	if err := s.settled(ctx, w); err != nil {
		return err
	}
	if _, err := w.db.Exec(ctx, "update alert_folds set due_at = now()"); err != nil { // the digests' wait is over
		return err
	}
	if err := s.settled(ctx, w); err != nil {
		return err
	}
	if err := s.collectMail(); err != nil {
		return err
	}
	counts, err := s.print(fresh)
	w.note = fmt.Sprintf("%.0f events/s of one issue and %.0f new issues/s for %s, told in %s", float64(hot)/stormLasts.Seconds(), float64(fresh)/stormLasts.Seconds(), stormLasts, counts)
	return err
}

// letters writes n in letters, which grouping and titles keep.
func letters(n int64) string {
	text := []byte{}
	for ; n > 0; n /= 26 {
		text = append(text, byte('a'+n%26))
	}
	return string(text)
}

// stormCalm is how long nothing must change before the storm is over: the queue between the processor and
// the notifier has no table to ask.
const stormCalm = 10 * time.Second

// settled waits until nothing is left to be counted, held against rules, or sent.
func (s *storm) settled(ctx context.Context, w *world) error {
	known, since := -1, time.Now()
	return w.await(ctx, patience, func() error {
		var waiting, logged int
		if err := w.db.QueryRow(ctx, `select (select count(*) from pending_facts) + (select count(*) from alert_outbox) + (select count(*) from deliveries where state = 0)
			+ (select count(*) from alert_folds where due_at <= now()), (select count(*) from deliveries)`).Scan(&waiting, &logged); err != nil {
			return err
		}
		if logged != known || waiting > 0 {
			known, since = logged, time.Now()
		}
		if calm := time.Since(since); calm < stormCalm {
			return fmt.Errorf("%d batches, changes, messages or digests wait, %d alerts are logged, nothing changed for %s", waiting, logged, calm.Round(time.Second))
		}
		return nil
	})
}

func (s *storm) collectMail() error {
	for _, m := range s.mail.Mails() {
		subject, plain, err := m.Text()
		if err != nil {
			return err
		}
		s.texts["mail"] = append(s.texts["mail"], subject+"\n\n"+plain)
	}
	return nil
}

var moreIssues = regexp.MustCompile(`(\d+) more issues|"total":(\d+)`)

// toldOf is how many issues a message tells of; 0: it says nothing.
func toldOf(text string) (n int64) {
	if m := moreIssues.FindStringSubmatch(text); m != nil {
		n, _ = strconv.ParseInt(m[1]+m[2], 10, 64) // digits
		return n
	}
	if strings.Contains(text, "the gateway refused") {
		return 1
	}
	return 0
}

// print prints the messages and says how many each destination got. They are few, each says something, and
// together they account for every issue.
func (s *storm) print(fresh int64) (counts string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []string
	for _, destination := range []string{"mail", "ntfy", "slack", "webhook"} {
		texts, told := s.texts[destination], int64(0)
		for i, text := range texts {
			fmt.Printf("──── %s, message %d of %d ────\n%s\n\n", destination, i+1, len(texts), text)
			if n := toldOf(text); n > 0 {
				told += n
			} else {
				err = cmp.Or(err, fmt.Errorf("a message by %s says nothing", destination))
			}
		}
		parts = append(parts, fmt.Sprintf("%d messages by %s (%d issues)", len(texts), destination, told))
		if len(texts) > stormTold || told < fresh {
			err = cmp.Or(err, fmt.Errorf("%d messages by %s tell of %d issues, want at most %d of %d", len(texts), destination, told, stormTold, fresh))
		}
	}
	if fresh == 0 {
		err = errors.New("no event of the storm was taken")
	}
	return strings.Join(parts, ", "), err
}
