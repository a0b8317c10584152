package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// sendMany sends so many events, each of an issue of its own.
func sendMany(t *testing.T, in *instance, n int) {
	t.Helper()
	var group sync.WaitGroup
	numbers := make(chan int)
	for range 8 {
		group.Go(func() {
			for i := range numbers {
				id := eventID(5000 + i)
				if status, err := in.send(t.Context(), id, fmt.Sprintf(`{"event_id":%q,"fingerprint":["bulk-%d"],"exception":{"values":[{"type":"Kind%d","value":"bulk"}]}}`, id, i, i)); err != nil || status != http.StatusOK {
					t.Errorf("send: %d %v", status, err)
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	group.Wait()
}

// many works off more issues than one request changes, sees on its page how far that is, and takes it back.
func (d *desk) many(t *testing.T) {
	p := d.on(t)
	sendMany(t, d.in, 1005)
	list := d.org + "/issues?query=bulk"
	d.in.await("all of them", time.Minute, func(context.Context) error {
		p.open(list)
		if got := p.text(".head"); !strings.Contains(got, "1,000+") && !strings.Contains(got, "1,005") {
			return fmt.Errorf("the list shows %q", got)
		}
		return nil
	})
	d.someGone(p)
	// Whoever holds rows of the last issues holds up the end of the job.
	held, err := d.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback(context.WithoutCancel(t.Context()))
	if _, err := held.Exec(t.Context(), `select 1 from issues order by id desc limit 10 offset 5 for update`); err != nil {
		t.Fatal(err)
	}
	p.open(list)
	p.press("*a", "document.querySelector('[data-all]').checked && !document.querySelector('.whole').hidden")
	p.do(chromedp.Click(".whole input"), chromedp.Click(`.bulk button[value="resolve"]`))
	p.shows(".toast", "more than 1,000 issues, which goes on in the background")
	p.do(chromedp.Click(".toast a"))
	p.shows("h1", "Jobs")
	const row = "#jobs tbody tr"
	p.shows(row, "Resolve issues")
	p.do(stay)
	p.holds(fmt.Sprintf("(() => { const bar = document.querySelector('%s progress'); return bar && bar.value > 0 && bar.value < bar.max })()", row))
	t.Logf("the job shows %q", strings.Join(strings.Fields(p.text(row)), " "))
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.await("the end of the job", 3*time.Minute, func(context.Context) error {
		if got := p.text(row); !strings.Contains(got, "done") {
			return errors.New(got)
		}
		return nil
	})
	p.holds("window.stayed") // by itself
	p.awaits(list, ".empty h2", "Nothing matches")

	p.open(d.org + "/settings/jobs")
	p.do(chromedp.Click(row + ` button[name="undo"]`))
	p.shows(".toast", "Taken back for 1,000 issues or more")
	p.holds(fmt.Sprintf("!document.querySelector('%s button[name=\"undo\"]')", row))
	p.open(list)
	p.shows(".head", "1,0")
	d.in.audited(t, "issue.resolve", "issue.undo", "issue.update")
}

// someGone resolves two issues of which one is taken away meanwhile, hears of it, and takes it back.
func (d *desk) someGone(p *page) {
	p.t.Helper()
	p.do(chromedp.Click("[data-row]:nth-child(1) .pick"), chromedp.Click("[data-row]:nth-child(2) .pick"))
	p.shows(".selected", "2 selected")
	gone := d.in.URL + "/api/0/organizations/" + d.in.Organization + "/issues/" + p.attribute("[data-row]:nth-child(1)", "data-row") + "/"
	if status, answer, err := fetch(p.t.Context(), http.MethodDelete, gone, d.in.AuthToken, nil); err != nil || status/100 != 2 {
		p.t.Fatalf("delete one: %d %s %v", status, answer, err)
	}
	d.in.await("it to be gone", 30*time.Second, func(ctx context.Context) error {
		status, _, err := fetch(ctx, http.MethodGet, gone, d.in.AuthToken, nil)
		if err == nil && status != http.StatusNotFound {
			err = errors.New("it is there")
		}
		return err
	})
	p.do(chromedp.Click(`.bulk button[value="resolve"]`))
	p.shows(".toast", "1 of the selected is no longer there")
	p.do(chromedp.Click(".toast [data-undo]"))
	p.shows(".toast", "Taken back")
}
