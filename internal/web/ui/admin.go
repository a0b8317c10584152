package ui

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// adminTabs are the pages of those who operate the installation.
var adminTabs = []struct{ word, label string }{{"health", "Health"}, {"queues", "Queues"}, {"graph", "Bindings"}}

// operators lets only administrators in.
func (u *UI) operators(word string, h func(*visit, view.AdminHead) error) handler {
	return func(v *visit) error {
		if err := v.principal.Require(account.OrgAdmin); err != nil {
			return err
		}
		var head view.AdminHead
		for _, t := range adminTabs {
			head.Tabs = append(head.Tabs, view.Link{Label: t.label, Href: "/admin/" + t.word, Current: t.word == word})
		}
		v.base.Section = view.SectionAdmin
		v.base.Crumbs = []view.Link{{Label: "Admin", Href: "/admin/health"}, {Label: word}}
		return h(v, head)
	}
}

// slowAfter is the age of the oldest message from which on a queue is called late.
const slowAfter = 30 * time.Second

func (u *UI) health(v *visit, head view.AdminHead) error {
	ctx := v.r.Context()
	page := view.HealthPage{AdminHead: head}
	began := time.Now()
	err := u.Store.Ping(ctx)
	page.Parts = append(page.Parts, view.HealthPart{Name: "Database", OK: err == nil, Note: "answers in " + time.Since(began).Round(100*time.Microsecond).String()})
	depths, busErr := u.Depths(ctx)
	if busErr != nil {
		page.Parts = append(page.Parts, view.HealthPart{Name: "Bus", Note: fault.Public(busErr)})
	} else {
		page.Parts = append(page.Parts, view.HealthPart{Name: "Bus", OK: true, Note: "answers"})
	}
	policies := bindings.Graph().Queues
	var oldest time.Duration
	var dead uint64
	late := ""
	for _, d := range depths {
		row := queueRow(d, policies[d.Queue], v.base.Now)
		page.Queues = append(page.Queues, row)
		switch {
		case d.Dead:
			dead += d.Packs
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
	if page.Storage, err = u.storage(v); err != nil {
		return err
	}
	page.Good = busErr == nil && late == "" && dead == 0 && check.Difference() == 0
	page.Sentence = healthSentence(busErr != nil, late, dead, check.Difference(), oldest)
	return v.render(http.StatusOK, "Health", func(p view.Page) component { return view.Health(p, page) })
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
	return row
}

func (u *UI) queues(v *visit, head view.AdminHead) error {
	depths, err := u.Depths(v.r.Context())
	if err != nil {
		return err
	}
	policies := bindings.Graph().Queues
	page := view.QueuesPage{AdminHead: head}
	for _, d := range depths {
		page.Queues = append(page.Queues, queueRow(d, policies[d.Queue], v.base.Now))
	}
	return v.render(http.StatusOK, "Queues", func(p view.Page) component { return view.Queues(p, page) })
}

// graph shows who may call, publish and consume what.
func (u *UI) graph(v *visit, head view.AdminHead) error {
	depths, err := u.Depths(v.r.Context())
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
		}
		page.Edges = append(page.Edges, line)
	}
	page.Arrange()
	return v.render(http.StatusOK, "Bindings", func(p view.Page) component { return view.Graph(p, page) })
}
