package notifier_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// chat is a service that keeps the texts it is sent.
type chat struct {
	*httptest.Server
	mu    sync.Mutex
	texts []string
}

func newChat(t *testing.T, textOf func(body []byte) string) *chat {
	t.Helper()
	c := &chat{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.texts = append(c.texts, textOf(body))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *chat) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.texts...)
}

// destination makes one with the noise that every new one has.
func (w *world) destination(channel string, settings delivery.Settings) alert.Action {
	w.t.Helper()
	key, err := w.kit.SecretKey()
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := delivery.Seal(1, settings, key)
	if err != nil {
		w.t.Fatal(err)
	}
	d := alert.Destination{Organization: 1, Channel: channel, Name: channel, Target: channel, Settings: sealed, Noise: alert.DefaultNoise}
	if err := w.store.PutDestination(w.t.Context(), &d); err != nil {
		w.t.Fatal(err)
	}
	return alert.Action{Kind: alert.ActionDestination, Destination: d.ID}
}

// TestAStormIsToldInAFewMessages: hundreds of new issues at once, one of them with thousands of
// events, under rules that want to hear of both. Every destination gets at most five messages, each
// says what broke, and together they account for every issue.
func TestAStormIsToldInAFewMessages(t *testing.T) {
	t.Parallel()
	const issues, sightings, perSighting, most = 300, 100, 50, 5
	w := newWorld(t)
	w.people()
	sink := w.withMail(false)
	ntfy := newChat(t, func(body []byte) string {
		var p struct{ Title, Message string }
		_ = json.Unmarshal(body, &p)
		return p.Title + "\n" + p.Message
	})
	slack := newChat(t, func(body []byte) string {
		var p struct {
			Text        string
			Attachments []struct {
				Blocks []struct{ Text struct{ Text string } }
			}
		}
		_ = json.Unmarshal(body, &p)
		text := p.Text
		for _, b := range p.Attachments[0].Blocks {
			text += "\n" + b.Text.Text
		}
		return text
	})
	w.rule("New and back", w.destination(alert.ChannelNtfy, delivery.Settings{"url": ntfy.URL + "/alerts"}), w.destination(alert.ChannelSlack, delivery.Settings{"url": slack.URL}), alert.Action{Kind: alert.ActionMember, Target: 9})
	often := alert.Rule{Project: 1, Name: "Every event", Enabled: true, Match: alert.MatchAll, FilterMatch: alert.MatchAll, Frequency: 5 * time.Minute,
		Conditions: []alert.Clause{{Kind: alert.KindEvent}}, Actions: []alert.Action{{Kind: alert.ActionMember, Target: 7}}}
	if err := w.store.PutRule(t.Context(), &often); err != nil {
		t.Fatal(err)
	}
	w.execute(`insert into issues (project_id, id, number, type, level, platform, title, culprit, metadata, first_seen, last_seen, times_seen, user_count)
		select 1, 1000 + n, n, 'error', 40, 'go', 'StormError: part ' || n, 'storm.part', '{}', now(), now(), n, 0 from generate_series(1, $1::integer) n`, issues)
	w.run()
	var group sync.WaitGroup
	changes := make(chan issue.Change)
	for range 8 {
		group.Go(func() {
			for c := range changes {
				natstest.Publish(t, w.publish, c)
			}
		})
	}
	for i := range int64(issues) {
		c := change(i + 1)
		c.Title, c.EventID = fmt.Sprintf("StormError: part %d", i+1), ""
		changes <- c
	}
	for i := range int64(sightings) { // of the first issue
		changes <- issue.Change{ID: 1_000_000 + i, Kind: issue.ChangeSeen, Project: 1, At: time.Now(),
			Seen: []issue.Seen{{ID: 1_000_000 + i, Issue: 1001, Count: perSighting}}}
	}
	close(changes)
	group.Wait()
	w.eventually("everything is logged", func() bool {
		rest, err := w.store.DeliveryBacklog(t.Context())
		return err == nil && rest.Queued == 0 && w.count("select count(distinct change_id) from deliveries where change_id between 1 and 999999") == issues
	})
	w.execute("update alert_folds set due_at = now()") // the wait is over
	w.eventually("everything is told", func() bool {
		if w.count("select count(*) from alert_folds") != 0 { // asked first: what leaves it is queued at the same moment
			return false
		}
		rest, err := w.store.DeliveryBacklog(t.Context())
		return err == nil && rest.Queued == 0
	})
	mails := map[string][]string{}
	for _, m := range sink.Mails() {
		header, parts := read(t, m.Data)
		mails[m.To[0]] = append(mails[m.To[0]], header.Get("Subject")+"\n"+parts["text/plain"])
	}
	for name, texts := range map[string][]string{"ntfy": ntfy.all(), "slack": slack.all(), "mail": mails["cleo@example.com"]} {
		t.Logf("%s, %d messages:\n\n%s\n", name, len(texts), strings.Join(texts, "\n\n----\n\n"))
		if len(texts) < 2 || len(texts) > most {
			t.Errorf("%s: %d messages", name, len(texts))
		}
		told := 0
		for _, text := range texts {
			switch more := regexp.MustCompile(`(\d+) more issues in Shop`).FindStringSubmatch(text); {
			case more != nil:
				n, _ := strconv.Atoi(more[1])
				told += n
				if listed := len(regexp.MustCompile(`StormError: part \d+`).FindAllString(text, -1)); listed != alert.MaxDigestIssues || !strings.Contains(text, "are new. The 10 issues seen most are listed") || !strings.Contains(text, "new · ") {
					t.Errorf("%s: a digest lists %d issues:\n%s", name, listed, text)
				}
			case strings.Contains(strings.ToLower(text), "new issue in shop") && strings.Contains(text, "StormError: part "):
				told++
			default:
				t.Errorf("%s: a message says nothing:\n%s", name, text)
			}
		}
		if told != issues {
			t.Errorf("%s: %d issues are told of, want %d", name, told, issues)
		}
	}
	if texts := mails["ada@example.com"]; len(texts) != 1 || !strings.Contains(texts[0], "Seen again in Shop") || !strings.Contains(texts[0], "StormError: part 1") {
		t.Errorf("of the issue that came thousands of times: %d messages\n%s", len(texts), strings.Join(texts, "\n----\n"))
	}
}

// count reads one number.
func (w *world) count(sql string) (n int) {
	w.t.Helper()
	w.scan(sql, &n)
	return n
}
