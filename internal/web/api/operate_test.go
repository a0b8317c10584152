package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
)

// burial is a world whose processor gives up on every event for as long as cured is unset.
type burial struct {
	*world
	srv   *natstest.Server
	cured chan struct{}
	seen  chan event.ID
}

func newBurial(t *testing.T) *burial {
	b := &burial{world: newWorld(t), srv: natstest.New(t), cured: make(chan struct{}), seen: make(chan event.ID, 1000)}
	web := b.srv.Conn("web")
	desk, err := operate.New(b.st, web)
	if err != nil {
		t.Fatal(err)
	}
	b.desk = desk
	b.service = api.New(api.Options{Store: b.st, BaseURL: baseURL, Release: "test", Desk: desk})
	ctx, cancel := context.WithCancel(t.Context())
	processor := b.srv.Conn("processor")
	ended := make(chan struct{}, 3)
	run := func(f func() error) {
		go func() {
			if err := f(); err != nil {
				t.Error(err)
			}
			ended <- struct{}{}
		}()
	}
	run(func() error { return desk.Work(ctx) })
	run(func() error {
		return bindings.Events.Consume(ctx, processor, b.consume)
	})
	run(func() error {
		return bindings.Rehearse.Serve(ctx, processor, func(_ context.Context, raw event.Raw) (issue.Rehearsal, error) {
			if strings.Contains(string(raw.Payload), "poison") {
				return issue.Rehearsal{Verdict: issue.WouldFail, Reason: "poison"}, nil
			}
			return issue.Rehearsal{Verdict: issue.WouldBeStored, Title: "boom", NewIssue: true}, nil
		})
	})
	t.Cleanup(func() {
		cancel()
		for range 3 {
			<-ended
		}
	})
	return b
}

func (b *burial) consume(ctx context.Context, batch []event.Raw) (rejects []bus.Reject, err error) {
	cured := false
	select {
	case <-b.cured:
		cured = true
	default:
	}
	for i := range batch {
		if cured && !strings.Contains(string(batch[i].Payload), "poison") {
			b.seen <- batch[i].ID
			continue
		}
		if err := b.st.RefuseEvents(ctx, []postgres.Refusal{postgres.DeadRefusal(&batch[i], fault.Internal)}); err != nil {
			return nil, err
		}
		rejects = append(rejects, bus.Reject{Index: i, Err: errors.New("cannot store event " + batch[i].ID.String())})
	}
	return rejects, nil
}

// bury queues n events that end as dead letters, the first of them poison, and waits for that.
func (b *burial) bury(n int) {
	b.t.Helper()
	p, err := bindings.Events.Publisher(b.srv.Conn("ingest"))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range n {
		text := "boom"
		if i == 0 {
			text = "poison"
		}
		raw := event.Raw{Project: 1, KeyID: 9, ID: eventID("dead", i), ReceivedAt: noon, ItemType: "event", Payload: payload(eventID("dead", i), text, i)}
		for p.Publish(b.t.Context(), raw) != nil { // a busy machine may not store it in time
			time.Sleep(10 * time.Millisecond)
		}
	}
	b.eventually("all are buried", func() bool {
		var list []map[string]any
		b.want(200, "GET", "/api/v1/dead-letters/").json(b.t, &list)
		return len(list) >= n
	})
}

func (b *burial) eventually(what string, f func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("not in time: %s", what)
		}
	}
}

type runShape struct {
	ID, State, Reason, Actor string
	Total, Done, Failed      int
}

func (b *burial) finish(run runShape) runShape {
	b.t.Helper()
	b.eventually("the run ends", func() bool {
		b.want(200, "GET", "/api/v1/dead-letters/runs/"+run.ID+"/").json(b.t, &run)
		return run.State != "running"
	})
	return run
}

func TestDeadLettersAreLookedAtTriedReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	b := newBurial(t)
	const letters = "/api/v1/dead-letters/"
	b.bury(5)
	var groups struct {
		Groups []struct {
			ID, Queue, Pattern string
			Count              int
		}
		Complete bool
	}
	b.want(200, "GET", letters+"groups/").json(t, &groups)
	if len(groups.Groups) != 1 || groups.Groups[0].Count != 5 || groups.Groups[0].Queue != "events" || !groups.Complete || groups.Groups[0].Pattern != "cannot store event …" {
		t.Fatalf("groups: %+v", groups)
	}
	var list []struct{ ID, EventID, ProjectID, Error string }
	b.want(200, "GET", letters+"?queue=events&group="+groups.Groups[0].ID).json(t, &list)
	names := map[string]string{} // letters by event: two workers bury in any order
	for _, l := range list {
		names[l.EventID] = l.ID
	}
	one := names[eventID("dead", 1).String()]
	if len(list) != 5 || len(names) != 5 || one == "" || list[1].ProjectID != "1" {
		t.Fatalf("list: %+v", list)
	}
	a := b.want(200, "GET", letters+"?per_page=2")
	if link := a.header.Get("Link"); !strings.Contains(link, `rel="next"; results="true"`) {
		t.Errorf("Link: %s", link)
	}
	if a := b.want(200, "GET", letters+one+"/"); !strings.Contains(string(a.body), `"boom"`) {
		t.Errorf("the letter does not show its payload: %s", a.body)
	}
	var rehearsal struct {
		Counts  map[string]int
		Results []struct{ ID, Verdict, Reason string }
	}
	b.want(200, "POST", letters+"dry-run/", `{"all":true}`).json(t, &rehearsal)
	if rehearsal.Counts["stored"] != 4 || rehearsal.Counts["failed"] != 1 || len(rehearsal.Results) != 5 {
		t.Errorf("dry run: %+v", rehearsal)
	}
	refused := b.scalar("select sum(quantity) from outcomes where outcome = 3")
	close(b.cured)
	var run runShape
	b.want(200, "POST", letters+"replay/", fmt.Sprintf(`{"letters":[%q]}`, one)).json(t, &run)
	if run = b.finish(run); run.Done != 1 || run.Total != 1 || run.Actor != "owner@example.org" {
		t.Errorf("replay of one: %+v", run)
	}
	if got := <-b.seen; got != eventID("dead", 1) {
		t.Errorf("another event came back: %s", got)
	}
	if now := b.scalar("select sum(quantity) from outcomes where outcome = 3"); now != refused-1 {
		t.Errorf("the ledger says %d refused after a replay, want %d", now, refused-1)
	}
	b.want(200, "POST", letters+"replay/", fmt.Sprintf(`{"group":%q}`, groups.Groups[0].ID)).json(t, &run)
	if run = b.finish(run); run.Done != 4 || run.Total != 4 {
		t.Errorf("replay of a group: %+v", run)
	}
	for range 3 {
		<-b.seen
	}
	b.eventually("the poison is back", func() bool {
		b.want(200, "GET", letters).json(t, &list)
		return len(list) == 1 && list[0].EventID == eventID("dead", 0).String()
	})
	b.want(400, "POST", letters+"discard/", `{"all":true}`) // no reason
	b.want(400, "POST", letters+"discard/", `{"reason":"x"}`)
	b.want(404, "POST", letters+"replay/", `{"letters":["dlq-x"]}`)
	b.want(200, "POST", letters+"discard/", `{"all":true,"reason":"a client without a clock"}`).json(t, &run)
	if run = b.finish(run); run.Done != 1 || run.Reason != "a client without a clock" {
		t.Errorf("discard: %+v", run)
	}
	b.want(409, "POST", letters+"runs/"+run.ID+"/cancel/")
	var runs []runShape
	b.want(200, "GET", letters+"runs/").json(t, &runs)
	if len(runs) != 3 || runs[0].ID != run.ID {
		t.Errorf("runs: %+v", runs)
	}
}

func TestAPausedQueueWaitsAndSaysWhy(t *testing.T) {
	t.Parallel()
	b := newBurial(t)
	close(b.cured)
	var queues []struct {
		Name   string
		Packs  int
		Paused *struct{ Reason, By, Until string }
	}
	b.want(400, "POST", "/api/v1/queues/events/pause/", `{"reason":" "}`)
	b.want(200, "POST", "/api/v1/queues/events/pause/", `{"reason":"moving the database"}`).json(t, &queues)
	i := 0
	for queues[i].Name != "events" {
		i++
	}
	if p := queues[i].Paused; p == nil || p.Reason != "moving the database" || p.By != "owner@example.org" || p.Until != "" {
		t.Fatalf("paused: %+v", queues[i])
	}
	p, err := bindings.Events.Publisher(b.srv.Conn("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	raw := event.Raw{Project: 1, ID: eventID("late", 1), ReceivedAt: noon, ItemType: "event", Payload: []byte("{}")}
	for p.Publish(t.Context(), raw) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	b.want(200, "GET", "/api/v1/queues/").json(t, &queues)
	if len(b.seen) != 0 || queues[i].Packs == 0 {
		t.Errorf("a paused queue was worked on: %+v", queues[i])
	}
	b.want(200, "POST", "/api/v1/queues/events/resume/").json(t, &queues)
	if queues[i].Paused != nil {
		t.Errorf("still paused: %+v", queues[i])
	}
	if got := <-b.seen; got != raw.ID {
		t.Errorf("another event came: %s", got)
	}
	var actions []struct{ Action, Target, Actor, Reason string }
	b.want(200, "GET", "/api/v1/operator-actions/").json(t, &actions)
	if len(actions) != 2 || actions[0].Action != "queue.resume" || actions[1].Reason != "moving the database" || actions[1].Target != "events" {
		t.Errorf("actions: %+v", actions)
	}
}
