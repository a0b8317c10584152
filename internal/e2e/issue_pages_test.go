package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"
)

// report sends an event of the error kind with the value, in a function of shop/cart.py, and returns
// its id once it is stored.
func (in *instance) report(t *testing.T, n int, kind, value, function, version string) (id string) {
	t.Helper()
	id = in.hand(t, n, kind, value, function, version)
	in.await("the event", 30*time.Second, func(ctx context.Context) error {
		return in.api(ctx, "organizations/"+in.Organization+"/eventids/"+id+"/", &struct{}{})
	})
	return id
}

// hand sends such an event and does not wait.
func (in *instance) hand(t *testing.T, n int, kind, value, function, version string) (id string) {
	t.Helper()
	id = eventID(n)
	doc := fmt.Sprintf(`{"event_id":%q,"platform":"python","release":%q,"exception":{"values":[{"type":%q,"value":%q,"stacktrace":{"frames":[`+
		`{"filename":"shop/wsgi.py","function":"serve","lineno":9,"in_app":true},{"filename":"shop/cart.py","function":%q,"lineno":2,"in_app":true}]}}]}}`, id, version, kind, value, function)
	if status, err := in.send(t.Context(), id, doc); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	return id
}

// TestEventsAreSteppedThroughAndTheListIsWhereItWas opens an issue far down a list by keyboard, goes
// through its events and to the next issue, and comes back to the row of the issue read last.
func TestEventsAreSteppedThroughAndTheListIsWhereItWas(t *testing.T) {
	t.Parallel()
	in := up(t)
	const issues, events = 30, 3
	for n := range issues {
		for k := range events {
			if n != issues-25 && k > 0 {
				continue // one issue has several events
			}
			id := eventID(1000 + 10*n + k)
			if status, err := in.send(t.Context(), id, fmt.Sprintf(`{"event_id":%q,"fingerprint":["s%d"],"exception":{"values":[{"type":"Kind%d","value":"step %d"}]}}`, id, n, n, k)); err != nil || status != http.StatusOK {
				t.Fatalf("send: %d %v", status, err)
			}
		}
	}
	p := in.page(t)
	complaints := listen(t, p.browser)
	const order = "?sort=new"
	list := "/o/" + in.Organization + "/issues" + order
	p.do(chromedp.EmulateViewport(1440, 500))
	in.await("the issues", 30*time.Second, func(context.Context) error {
		p.open(list)
		if !p.is(fmt.Sprintf("document.querySelectorAll('[data-row]').length === %d && document.body.textContent.includes('Kind%d ')", issues, issues-25)) {
			return fmt.Errorf("not all of them")
		}
		return nil
	})
	const at = "(document.querySelector('.row.at')?.textContent ?? '')"
	target := fmt.Sprintf("Kind%d ", issues-25)
	p.press("j", at+" !== ''")
	for range issues {
		if p.is(fmt.Sprintf("%s.includes(%q)", at, target)) {
			break
		}
		p.do(chromedp.KeyEvent("j"))
	}
	p.holds(fmt.Sprintf("%s.includes(%q)", at, target))
	p.press("o", fmt.Sprintf("document.querySelector('h1')?.textContent === %q", strings.TrimSpace(target)))
	rank := func(n int) string {
		return fmt.Sprintf("document.querySelector('.event-nav')?.textContent.includes('event %d of %d')", n, events)
	}
	p.holds(rank(events))
	p.press("j", rank(events-1))
	p.press("j", rank(events-2))
	p.press("k", rank(events-1))
	p.press("n", fmt.Sprintf("(document.querySelector('h1')?.textContent ?? %q) !== %q", strings.TrimSpace(target), strings.TrimSpace(target)))
	read := p.text("h1")
	p.holds("!document.querySelector('.from-list').hidden")
	p.do(chromedp.Click(`[data-from="list"]`))
	p.holds(fmt.Sprintf("location.search === %q && %s.includes(%q)", order, at, read+" "))
	p.holds("scrollY > 0 && (() => { const b = document.querySelector('.row.at').getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight })()")
	p.holds("!!document.activeElement.closest('.row.at')")
	for _, c := range complaints() {
		t.Error(c)
	}
}

// TestAnIssueIsTalkedAboutMergedAndTakenAway does by the page all that can be done to an issue beside
// reading its events.
func TestAnIssueIsTalkedAboutMergedAndTakenAway(t *testing.T) {
	t.Parallel()
	in := &instance{}
	in.URL = "http://" + freeAddress(t)
	db := in.prepare(t)
	in.start(t)
	if _, err := db.Exec(t.Context(), `insert into users (id, email, name, password_hash) values (7007, 'grace@example.org', 'Grace', '')`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `insert into memberships (organization_id, user_id, role) select id, 7007, 'member' from organizations`); err != nil {
		t.Fatal(err)
	}
	commits := `{"version":"shop@2.0.0","projects":["` + in.Project + `"],"commits":[{"id":"` + strings.Repeat("c0ffee", 6) + `","message":"cart: count once","author_name":"Ada",` +
		`"author_email":"ada@example.org","repository":"acme/shop","timestamp":"2026-05-01T10:00:00Z","patch_set":[{"path":"shop/cart.py","type":"M"}]}]}`
	if status, body, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/0/organizations/"+in.Organization+"/releases/", in.AuthToken, []byte(commits), "Content-Type", "application/json"); err != nil || status != http.StatusCreated {
		t.Fatalf("make the release: %d %s %v", status, body, err)
	}
	cart := in.report(t, 901, "CartError", "no cart", "total", "shop@2.0.0")
	price := in.report(t, 902, "CartError", "no price", "amount", "shop@2.0.0")
	p := in.page(t)
	complaints := listen(t, p.browser)
	org := "/o/" + in.Organization
	talk(t, p, db, org+"/e/"+cart)
	lookBeside(t, p, org+"/e/"+cart)
	mergeAndPart(t, p, org)
	in.await("the events in issues of their own", 30*time.Second, func(ctx context.Context) error { // a job moves them
		var a, b struct{ GroupID string }
		err := errors.Join(in.api(ctx, "organizations/"+in.Organization+"/eventids/"+cart+"/", &a), in.api(ctx, "organizations/"+in.Organization+"/eventids/"+price+"/", &b))
		if err == nil && a.GroupID == b.GroupID {
			err = errors.New("they are in one")
		}
		return err
	})
	takeAway(t, p, org, price)
	in.audited(t, "comment.create", "comment.edit", "comment.remove", "issue.merge", "issue.unmerge", "issue.remove")
	for _, c := range complaints() {
		t.Error(c)
	}
}

// talk comments on the issue of an event, and changes and removes what it wrote.
func talk(t *testing.T, p *page, db *pgx.Conn, event string) {
	const newest = "#activity .activity li:first-child"
	write := func(text string) {
		p.press("c", "document.activeElement.id === 'comment'")
		p.do(chromedp.SendKeys("#comment", text), chromedp.Click(`.comment-form button[value="comment"]`))
	}
	p.open(event)
	p.shows("#mention-help", "@grace")
	write("First **look**, @grace")
	p.shows(newest, "First look, @grace")
	p.shows(newest+" strong", "owner")
	var reason string
	if err := db.QueryRow(t.Context(), "select reason from issue_people where user_id = 7007 and is_subscribed").Scan(&reason); err != nil || reason != "mentioned" {
		t.Errorf("who was mentioned is not subscribed: %q %v", reason, err)
	}
	write("Second thoughts")
	p.shows(newest, "Second thoughts")
	p.shows("#activity .activity li:nth-child(2)", "First look")
	p.shows("#activity .activity li:last-child", "first saw the issue")
	p.do(chromedp.Click(newest + " .acts a"))
	p.do(chromedp.Click(newest+" textarea"), chromedp.KeyEvent(kb.End), chromedp.KeyEvent(", corrected"), chromedp.Click(newest+` button[value="edit"]`))
	p.shows(newest, "Second thoughts, corrected")
	p.holds("!document.querySelector('#activity .activity textarea')")
	p.do(chromedp.Click(newest+` button[value="delete"]`), chromedp.Click(`dialog[role="alertdialog"] .danger`))
	p.holds("!document.querySelector('#activity').textContent.includes('corrected')")
	p.shows(newest, "First look")
}

// lookBeside opens what the page of an issue offers beside its event.
func lookBeside(t *testing.T, p *page, event string) {
	p.open(event)
	p.shows(".facts", "Suspect commits")
	p.shows(".facts", "cart: count once")
	tab := func(name string) {
		p.do(chromedp.Click(fmt.Sprintf(`nav[aria-label="Issue"] a[href$="/%s"]`, name)))
	}
	tab("similar")
	p.shows(".similar", "no price")
	p.shows(".similar .why-similar", "same error")
	tab("merged")
	p.shows("#why", "Grouped by")
	p.shows("#hashes", "Hashes 1")
	tab("activity")
	p.shows("#activity", "first saw the issue")
	p.do(chromedp.Click(`summary[aria-label="More actions"]`), chromedp.Click(`button[name="share"]`))
	p.shows(".toast", "Whoever has the link can read it")
	_, link, _ := strings.Cut(p.text(".toast span"), "read it: ")
	if status, body, err := fetch(t.Context(), http.MethodGet, strings.TrimSpace(link), "", nil); err != nil || status != http.StatusOK || !strings.Contains(string(body), "no cart") {
		t.Errorf("the shared link %q answers %d %.200s %v", link, status, body, err)
	}
	p.do(chromedp.Click(`summary[aria-label="More actions"]`), chromedp.Click(`button[name="share"]`))
	p.shows(".toast", "The shared link works no more")
	if status, _, err := fetch(t.Context(), http.MethodGet, strings.TrimSpace(link), "", nil); err != nil || status != http.StatusNotFound {
		t.Errorf("the link that was taken back answers %d %v", status, err)
	}
}

// mergeAndPart makes one issue of two on the list, and two of it again on its own page.
func mergeAndPart(t *testing.T, p *page, org string) {
	const rows = "document.querySelectorAll('[data-row]').length"
	p.open(org + "/issues?query=CartError")
	p.holds(rows + " === 2")
	p.holds("!!document.querySelector('x-histogram svg')") // which moves nothing any more
	p.press("*a", "document.querySelectorAll('.row.picked').length === 2")
	p.do(chromedp.Click(".bulk details:last-of-type summary"), chromedp.Click(`button[value="merge"]`))
	p.shows(".toast", "Merged 2 issues into")
	p.awaits(org+"/issues?query=CartError", ".head", "1 issue")
	p.do(chromedp.Click("[data-row-link]"))
	p.holds("document.querySelector('h1')?.textContent === 'CartError'")
	tab, err := chromedp.Run(p.browser, chromedp.Evaluate[string](`document.querySelector('nav[aria-label="Issue"] a[href$="/merged"]').getAttribute("href")`))
	if err != nil {
		t.Fatal(err)
	}
	p.awaits(tab, "#hashes", "Hashes 2")
	p.do(chromedp.Click(`#hashes tbody tr:last-child input`), chromedp.Click(`button[value="unmerge"]`))
	p.shows(".toast", "of 1 of its hashes")
	p.awaits(org+"/issues?query=CartError", ".head", "2 issues")
	p.awaits(tab, "#hashes", "Hashes 1")
}

// takeAway deletes one issue by keyboard, and drops what is like another.
func takeAway(t *testing.T, p *page, org, event string) {
	in := p.in
	p.open(org + "/e/" + event)
	p.holds("document.querySelector('h1')?.textContent === 'CartError'")
	p.do(chromedp.Click(`summary[aria-label="More actions"]`), chromedp.Click(`button[value="discard"]`), chromedp.Click(`dialog[role="alertdialog"] .danger`))
	p.shows(".toast", "dropped from now on")
	p.awaits(org+"/issues?query=CartError", ".head", "1 issue")
	again := eventID(903)
	doc := strings.Replace(`{"event_id":"ID","platform":"python","exception":{"values":[{"type":"CartError","value":"no price","stacktrace":{"frames":[`+
		`{"filename":"shop/wsgi.py","function":"serve","lineno":9,"in_app":true},{"filename":"shop/cart.py","function":"amount","lineno":2,"in_app":true}]}}]}}`, "ID", again, 1)
	if status, err := in.send(t.Context(), again, doc); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	in.report(t, 904, "OtherError", "after it", "other", "shop@2.0.0")
	if err := in.api(t.Context(), "organizations/"+in.Organization+"/eventids/"+again+"/", &struct{}{}); err == nil {
		t.Error("an event like a discarded issue was stored")
	}
	p.open(org + "/issues?query=CartError")
	p.do(chromedp.Click("[data-row-link]"))
	p.press("#", `!!document.querySelector('dialog[role="alertdialog"]')`)
	p.do(chromedp.Click(`dialog[role="alertdialog"] .danger`))
	p.shows(".toast", "Deleted")
	p.awaits(org+"/issues?query=CartError", ".empty h2", "Nothing matches")
}
