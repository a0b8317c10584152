package notifier_test

import (
	"bytes"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/notifier"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/testkit/smtpsink"
)

// people are members: Ada and Bob are in team 3, Cleo subscribed to issue 1001, Dan is switched off,
// and Eve wants no mail about alerts.
func (w *world) people() {
	w.t.Helper()
	for _, sql := range []string{
		`insert into users (id, email, name, password_hash) values (7, 'ada@example.com', 'Ada', ''), (8, 'bob@example.com', 'Bob', ''),
			(9, 'cleo@example.com', 'Cleo', ''), (10, 'dan@example.com', 'Dan', ''), (11, 'eve@example.com', 'Eve', '')`,
		`insert into memberships (organization_id, user_id, role, is_active) values (1, 7, 'member', true), (1, 8, 'member', true), (1, 9, 'member', true),
			(1, 10, 'member', false), (1, 11, 'member', true)`,
		`insert into teams (organization_id, id, slug, name) values (1, 3, 'shop', 'Shop')`,
		`insert into team_members (organization_id, team_id, user_id) values (1, 3, 7), (1, 3, 8), (1, 3, 10), (1, 3, 11)`,
		`insert into notification_settings (user_id, project_id, topic, is_on) values (11, 0, 'alerts', false), (11, 0, 'assigned', false), (11, 0, 'workflow', false)`,
		`insert into issue_people (project_id, issue_id, user_id, is_subscribed) values (1, 1001, 9, true), (1, 1001, 11, true)`,
	} {
		w.execute(sql)
	}
}

// withMail makes the world's notifier send mail to the sink that it returns.
func (w *world) withMail(refuse bool) *smtpsink.Sink {
	w.t.Helper()
	sink := smtpsink.New(w.t, nil)
	if refuse {
		sink.Refuse = smtpsink.Greylisted
	}
	w.kit.Config.SMTPURL = seal.Secret(sink.URL())
	return sink
}

// to waits for n mails and returns whom they went to.
func (w *world) to(sink *smtpsink.Sink, n int) (list []string) {
	w.t.Helper()
	w.eventually("mails", func() bool { return len(sink.Mails()) >= n })
	for _, m := range sink.Mails() {
		list = append(list, m.To...)
	}
	slices.Sort(list)
	return list
}

func TestPeopleAreToldWhatConcernsThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action *alert.Action
		change func(*issue.Change)
		want   []string
		text   string
	}{
		"a team":         {&alert.Action{Kind: alert.ActionTeam, Target: 3}, func(*issue.Change) {}, []string{"ada@example.com", "bob@example.com"}, "New issue in Shop"},
		"a member":       {&alert.Action{Kind: alert.ActionMember, Target: 9}, func(*issue.Change) {}, []string{"cleo@example.com"}, "New issue in Shop"},
		"the owners":     {&alert.Action{Kind: alert.ActionOwners}, func(c *issue.Change) { c.Owners = []string{"user:8", "team:3"} }, []string{"ada@example.com", "bob@example.com"}, "New issue in Shop"},
		"everybody else": {&alert.Action{Kind: alert.ActionOwners, Fallthrough: alert.FallAll}, func(*issue.Change) {}, []string{"ada@example.com", "bob@example.com", "cleo@example.com"}, "New issue in Shop"},
		"assigned to me": {nil, func(c *issue.Change) { c.Kind, c.Assignee = issue.ChangeAssigned, "user:7" }, []string{"ada@example.com"}, "This issue was assigned to you."},
		"assigned to us": {nil, func(c *issue.Change) { c.Kind, c.Assignee, c.Actor = issue.ChangeAssigned, "team:3", 8 }, []string{"ada@example.com"}, "This issue was assigned to a team of yours."},
		"mentioned": {nil, func(c *issue.Change) { c.Kind, c.Text, c.Actor = issue.ChangeCommented, "@bob, please look", 7 },
			[]string{"bob@example.com", "cleo@example.com"}, "please look"},
		"resolved": {nil, func(c *issue.Change) { c.Kind, c.Actor = issue.ChangeResolved, 7 }, []string{"cleo@example.com"}, "You are subscribed to this issue."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.people()
			sink := w.withMail(false)
			if c.action != nil {
				w.rule("Tell people", *c.action)
			}
			w.run()
			first := change(1)
			c.change(&first)
			w.sight(first)
			w.execute("update issues set assignee = nullif($1, '') where id = $2", first.Assignee, first.Issue)
			w.tell(first)
			if got := w.to(sink, len(c.want)); !slices.Equal(got, c.want) {
				t.Errorf("want mail to %v, got %v", c.want, got)
			}
			for _, m := range sink.Mails() {
				if header, parts := read(t, m.Data); !strings.Contains(parts["text/plain"], c.text) || !strings.Contains(parts["text/html"], "Shop") ||
					header.Get("In-Reply-To") != "<issue.1.1001@tocsin.example>" || header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" ||
					!strings.HasPrefix(header.Get("List-Unsubscribe"), "<https://tocsin.example/unsubscribe?token=") {
					t.Errorf("to %v: %v\n%s", m.To, header, parts["text/plain"])
				}
			}
		})
	}
}

func TestAGreylistingRelayIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people()
	sink := w.withMail(true)
	rule := w.rule("Tell Cleo", alert.Action{Kind: alert.ActionMember, Target: 9})
	w.run()
	w.tell(change(1))
	_, tries := w.settled(rule.ID, tried(1))
	if tries[0].Status != 451 || !strings.Contains(tries[0].Response, "Greylisted") || len(sink.Mails()) != 0 {
		t.Errorf("first try: got %+v", tries)
	}
	w.execute("update deliveries set next_attempt_at = now()") // the pause is over
	w.settled(rule.ID, inState(alert.DeliverySent))
	if got := w.to(sink, 1); !slices.Equal(got, []string{"cleo@example.com"}) {
		t.Errorf("got %v", got)
	}
	if rows := w.log(postgres.DeliveryQuery{Rule: rule.ID}); rows[0].Target != "cleo@example.com" {
		t.Errorf("logged as %+v", rows[0])
	}
}

// TestTheWeeklyReportComesOnce: to each member who wants it, also when the notifier starts anew.
func TestTheWeeklyReportComesOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people()
	w.execute("update memberships set created_at = now() - interval '30 days'")
	w.execute(`insert into notification_settings (user_id, project_id, topic, is_on) values (8, 0, 'reports', false), (9, 2, 'reports', false)`)
	w.execute("insert into projects (id, organization_id, slug, name) values (2, 1, 'till', 'Till'), (3, 1, 'idle', 'Idle')")
	w.execute(`insert into issues (project_id, id, number, type, level, platform, title, metadata, first_seen, last_seen, times_seen)
		select p, 100 * p + n, n, 'error', 40, 'go', 'Boom ' || n, '{}', now() - (case when n = 1 then '20 days' else '2 days' end)::interval, now() - interval '1 hour', 10
		from generate_series(1, 2) p, generate_series(1, 5) n`)
	w.execute(`insert into issue_hours (project_id, issue_id, hour, times_seen)
		select project_id, id, date_trunc('hour', now() - interval '1 day'), 10 * number from issues
		union all select project_id, id, date_trunc('hour', now() - interval '10 days'), 75 from issues where number = 1`)
	sink := w.withMail(false)
	cfg := notifier.Config{AllowPrivate: "127.0.0.0/8", WeeklyReport: time.Now().UTC().Add(-time.Minute).Format("Mon 15:04")}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- notifier.Run(ctx, w.kit, cfg) }()
		w.eventually("all members are done with", func() bool { return w.count("select count(*) from weekly_reports") == 4 })
		w.eventually("the mails are out", func() bool { return w.count("select count(*) from deliveries where state = 0") == 0 })
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.kit.Registry = prometheus.NewRegistry() // of the next one
	}
	if got, want := w.to(sink, 3), []string{"ada@example.com", "cleo@example.com", "eve@example.com"}; !slices.Equal(got, want) {
		t.Errorf("want a report to %v, got %v", want, got)
	}
	for _, m := range sink.Mails() {
		header, parts := read(t, m.Data)
		text := strings.ReplaceAll(parts["text/plain"], "\r\n", "\n")
		for line, want := range map[string]bool{
			"* Shop\n  150 events (100 % more than the week before) · 4 new\n": true, "* SHOP-5 Boom 5\n  50 events, new\n": true, "SHOP-2 Boom 2": false,
			"* Till\n": m.To[0] != "cleo@example.com", "Idle": false, "https://tocsin.example/o/default/issues?project=shop\n": true,
		} {
			if strings.Contains(text, line) != want {
				t.Errorf("to %s: want %q in it: %v\n%s", m.To[0], line, want, text)
			}
		}
		if !strings.HasPrefix(header.Get("Subject"), "Weekly report of Default, ") || header.Get("List-Unsubscribe-Post") == "" {
			t.Errorf("headers %v", header)
		}
	}
}

// read takes a mail apart.
func read(t *testing.T, data []byte) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err != nil {
			return m.Header, parts
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		parts[kind] = string(body)
	}
}
