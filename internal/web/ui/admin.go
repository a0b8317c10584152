package ui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// adminTabs are the pages of those who operate the installation.
var adminTabs = []struct{ word, label string }{{"health", "Health"}, {"queues", "Queues"}, {"dlq", "Dead letters"}, {"graph", "Bindings"}}

// operators lets only those in who may operate on the installation as a whole.
func (u *UI) operators(word string, h func(*visit, view.AdminHead) error) handler {
	return func(v *visit) error {
		if u.Desk == nil {
			return fault.New(fault.Unknown, "This server does not operate on queues.")
		}
		if err := u.allowOperator(v); err != nil {
			return err
		}
		var head view.AdminHead
		for _, t := range adminTabs {
			head.Tabs = append(head.Tabs, view.Link{Label: t.label, Href: "/admin/" + t.word, Current: t.word == word})
			if t.word == word {
				v.base.Crumbs = []view.Link{{Label: "Admin", Href: "/admin/health"}, {Label: t.label}}
			}
		}
		v.base.Section = view.SectionAdmin
		return h(v, head)
	}
}

// allowOperator makes the reader speak for the organization that lets them operate, whichever of
// theirs it is. fault.Denied: none does.
func (u *UI) allowOperator(v *visit) error {
	err := u.Desk.Allow(v.r.Context(), v.principal)
	for _, m := range v.memberships {
		if err == nil || fault.KindOf(err) != fault.Denied {
			break
		}
		p := *v.principal
		p.Organization, p.Role, p.Scopes, p.Projects = m.Organization, m.Role, m.Role.Scopes(), m.Projects
		if err = u.Desk.Allow(v.r.Context(), &p); err == nil {
			v.principal = &p
		}
	}
	return err
}

// slowAfter is the age of the oldest message from which on a queue is called late.
const slowAfter = 30 * time.Second

func (u *UI) health(v *visit, head view.AdminHead) error {
	ctx := v.r.Context()
	page := view.HealthPage{AdminHead: head}
	began := time.Now()
	err := u.Store.Ping(ctx)
	page.Parts = append(page.Parts, view.HealthPart{Name: "Database", OK: err == nil, Note: "answers in " + time.Since(began).Round(100*time.Microsecond).String()})
	depths, busErr := u.Desk.Queues(ctx)
	if busErr != nil {
		page.Parts = append(page.Parts, view.HealthPart{Name: "Bus", Note: fault.Public(busErr)})
	} else {
		page.Parts = append(page.Parts, view.HealthPart{Name: "Bus", OK: true, Note: "answers"})
	}
	var oldest time.Duration
	var dead uint64
	late := ""
	for _, d := range depths {
		row := queueRow(d, u.Desk.About(d.Queue), v.base.Now)
		page.Queues = append(page.Queues, row)
		switch {
		case d.Dead:
			dead += d.Packs
		case row.Paused != "":
			late = "queue " + d.Queue + " is paused"
		case row.Age > oldest:
			oldest = row.Age
			if oldest > slowAfter && late == "" {
				late = "queue " + d.Queue + " is late"
			}
		}
	}
	now := v.base.Now.UTC()
	check, err := u.Store.CheckLedger(ctx, now.Add(-time.Hour), now.Add(-postgres.LedgerSettle))
	if err != nil {
		return err
	}
	page.Parts = append(page.Parts, view.HealthPart{Name: "Ledger", OK: check.Difference() == 0,
		Note: view.Long(check.Received) + " items of the last hour; " + view.Long(check.Difference()) + " unaccounted for"})
	beat, failing, err := u.heartbeat(v)
	if err != nil {
		return err
	}
	page.Parts = append(page.Parts, beat)
	if page.Storage, err = u.storage(v); err != nil {
		return err
	}
	page.Good = busErr == nil && late == "" && dead == 0 && check.Difference() == 0 && failing == ""
	page.Sentence = healthSentence(busErr != nil, late, dead, check.Difference(), oldest)
	if failing != "" && busErr == nil && late == "" {
		page.Sentence = "The latest synthetic event did not come through. " + failing
	}
	return v.render(http.StatusOK, "Health", func(p view.Page) component { return view.Health(p, page) })
}

// heartbeat says how the latest synthetic event fared; failing is what is wrong with it.
func (u *UI) heartbeat(v *visit) (part view.HealthPart, failing string, err error) {
	part = view.HealthPart{Name: "Heartbeat", OK: true}
	if u.Heartbeat <= 0 {
		part.Note = "switched off (--heartbeat)"
		return part, "", nil
	}
	list, err := u.Store.Heartbeats(v.r.Context(), 1)
	if err != nil {
		return part, "", err
	}
	if len(list) == 0 {
		part.Note = "the first synthetic event is sent within " + u.Heartbeat.String()
		return part, "", nil
	}
	h := &list[0]
	var steps []string
	for _, s := range []struct {
		word string
		ms   *int32
	}{{"accepted", h.AcceptedMS}, {"visible", h.VisibleMS}, {"alert delivered", h.AlertedMS}} {
		if s.ms != nil {
			steps = append(steps, s.word+" after "+(time.Duration(*s.ms)*time.Millisecond).String())
		}
	}
	part.Note = "sent " + h.SentAt.UTC().Format("15:04:05 UTC") + ": " + strings.Join(steps, ", ")
	switch age := v.base.Now.Sub(h.SentAt); {
	case h.Failure != "":
		failing = h.Failure
	case age > 3*u.Heartbeat+time.Minute:
		failing = "None was recorded for " + age.Round(time.Second).String() + "."
	}
	if failing != "" {
		part.OK, part.Note = false, strings.TrimSuffix(part.Note, ": ")+". "+failing
	}
	return part, failing, nil
}

// healthSentence is the state of the installation in one sentence.
func healthSentence(busAway bool, late string, dead uint64, difference int64, oldest time.Duration) string {
	age := "Nothing waits."
	if oldest > 0 {
		age = "The oldest that waits is " + oldest.Round(100*time.Millisecond).String() + " old."
	}
	switch {
	case busAway:
		return "The bus cannot be reached. What arrives is kept on disk by ingest until it is back."
	case late != "":
		return "Not everything accepted is visible yet: " + late + ". " + age
	case difference != 0:
		return "The ledger of the last hour does not close: " + view.Long(difference) + " items are unaccounted for."
	case dead > 0:
		return view.Long(int64(dead)) + " messages could not be handled and wait among the dead letters. Everything else accepted in the last hour is visible."
	}
	return "Everything accepted in the last hour is visible. " + age
}

func queueRow(d bus.Depth, about bus.QueuePolicy, now time.Time) view.QueueState {
	row := view.QueueState{Name: d.Queue, About: about.About, Consumer: about.Consumer, Dead: d.Dead, Packs: d.Packs, Bytes: int64(d.Bytes), Waiting: d.Waiting, InHand: d.InHand,
		Policy: strconv.Itoa(about.MaxConcurrency) + " × " + strconv.Itoa(about.MaxBatchSize) + " messages, at most " + about.MaxBatchTimeout.String() +
			" together; " + strconv.Itoa(about.MaxRetries) + " retries, then " + about.DeadLetterQueue}
	if d.Packs > 0 && !d.OldestAt.IsZero() {
		row.Age, row.OldestAt = max(0, now.Sub(d.OldestAt)), d.OldestAt
	}
	if p := d.Paused; p != nil {
		row.Paused = first(p.Reason, "no reason was given")
		row.PausedBy, row.PausedAt, row.PausedUntil = p.By, p.At, p.Until
	}
	return row
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func (u *UI) queues(v *visit, head view.AdminHead) error {
	depths, err := u.Desk.Queues(v.r.Context())
	if err != nil {
		return err
	}
	page := view.QueuesPage{AdminHead: head}
	for _, d := range depths {
		page.Queues = append(page.Queues, queueRow(d, u.Desk.About(d.Queue), v.base.Now))
	}
	actions, err := u.Desk.Actions(v.r.Context())
	if err != nil {
		return err
	}
	for _, a := range actions[:min(len(actions), 20)] {
		page.Actions = append(page.Actions, view.OperatorLine{Who: a.Actor, What: a.Action, Target: a.Target, Reason: a.Reason, At: a.CreatedAt})
	}
	return v.render(http.StatusOK, "Queues", func(p view.Page) component { return view.Queues(p, page) })
}

// changeQueue pauses or resumes a queue.
func (u *UI) changeQueue(v *visit, _ view.AdminHead) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	queue, err := v.r.PostFormValue("queue"), error(nil)
	said := "Queue " + queue + " is paused: messages keep coming in and wait."
	if v.r.PostFormValue("do") == "resume" {
		said, err = "Queue "+queue+" goes on.", u.Desk.Resume(v.r.Context(), v.principal, queue)
	} else {
		minutes, _ := strconv.Atoi(v.r.PostFormValue("minutes")) // 0: until it is resumed
		err = u.Desk.Pause(v.r.Context(), v.principal, queue, v.r.PostFormValue("reason"), time.Duration(min(max(minutes, 0), 1<<20))*time.Minute)
	}
	if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.Unknown {
		return err
	}
	if err != nil {
		v.notify(view.Notice{Text: fault.Public(err), Bad: true})
	} else {
		v.notify(view.Notice{Text: said})
	}
	return v.redirect("/admin/queues")
}

// graph shows who may call, publish and consume what.
func (u *UI) graph(v *visit, head view.AdminHead) error {
	depths, err := u.Desk.Queues(v.r.Context())
	if err != nil {
		return err
	}
	waiting := make(map[string]bus.Depth, len(depths))
	for _, d := range depths {
		waiting[d.Queue] = d
	}
	g := bindings.Graph()
	page := view.GraphPage{AdminHead: head}
	for name, s := range g.Services {
		page.Services = append(page.Services, view.ServiceBox{Name: name, About: s.About})
	}
	for _, e := range g.Edges() {
		line := view.EdgeLine{Kind: e.Kind, Name: e.Name, From: e.From, To: e.To, About: e.About, Note: e.Note}
		if d, ok := waiting[e.Name]; ok && e.Kind == "queue" {
			line.Live = view.Long(int64(d.Waiting)) + " waiting, " + view.Long(int64(d.InHand)) + " in hand"
			if d.Paused != nil {
				line.Live += ", paused"
			}
		}
		page.Edges = append(page.Edges, line)
	}
	page.Arrange()
	return v.render(http.StatusOK, "Bindings", func(p view.Page) component { return view.Graph(p, page) })
}
