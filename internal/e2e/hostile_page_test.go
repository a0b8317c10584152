package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tocsin-dev/tocsin/internal/testkit/hostile"
)

// hostileTurns is how many events hold the corpus, each with its texts in other fields.
const hostileTurns = 4

// clean finds what no page of ours has: a second script, frames, attributes that run, and parts that
// only markup in a text could have made.
const clean = `[...document.querySelectorAll("iframe, object, embed, base, math, style, template, script:not([src]), meta[http-equiv], [onerror], [onload], [onclick], [onfocus], [onmouseover], [ontoggle], [srcdoc], [href^='javascript:' i], [action*=evil], img[src=x]")]
	.map((e) => e.outerHTML.slice(0, 200)).concat(document.scripts.length === 1 ? [] : [document.scripts.length + " scripts"])`

// runNothing names everything that has a name, and fills events, with what would be scripts were it
// not text, and opens every page again. Complaints of the browser are the caller's to look at.
func (s *showcase) runNothing(t *testing.T, browser context.Context, pages []spot) {
	dialogs := make(chan string, 100)
	if err := chromedp.Listen(browser, func(ev any) {
		if ev, ok := ev.(*cdppage.EventJavascriptDialogOpening); ok {
			select {
			case dialogs <- ev.URL + ": " + ev.Message:
			default:
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	text := func(i int) string { return hostile.Texts[i%len(hostile.Texts)] }
	for i, sql := range []string{
		"update organizations set name = $1", "update projects set name = $1", "update teams set name = $1", "update users set name = $1",
		"update saved_views set name = $1", "update alert_rules set name = $1", "update alert_destinations set name = $1",
		"update activities set data = jsonb_build_object('text', $1::text) where type = 'note'",
	} {
		if _, err := s.db.Exec(t.Context(), sql, text(5*i)+text(5*i+1)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var events []spot
	for turn := range hostileTurns {
		id := eventID(7000 + turn)
		if status, err := s.send(t.Context(), id, hostileEvent(id, turn)); err != nil || status != http.StatusOK {
			t.Fatalf("send: %d %v", status, err)
		}
		s.await("the hostile event", time.Minute, func(ctx context.Context) error {
			return s.api(ctx, "organizations/default/eventids/"+id+"/", &struct{}{})
		})
		res, _ := s.get("/o/default/e/" + id)
		event := res.Header.Get("Location")
		events = append(events, spot{"hostile event", event + "?frames=all", unfold}, spot{"hostile event, raw", event + "/raw", unfold})
	}
	shown := 0
	for _, p := range append(events, pages...) {
		s.visit(t, browser, p, 1440)
		found, err := chromedp.Run(browser, chromedp.Evaluate[[]string](clean))
		if err != nil || len(found) > 0 {
			t.Errorf("%s (%s): %q, %v", p.name, p.path, found, err)
		}
		n, err := chromedp.Run(browser, chromedp.Evaluate[int](`(document.body.textContent.match(/alert\(1\)/g) ?? []).length`))
		if err != nil {
			t.Fatal(err)
		}
		shown += n
	}
	t.Logf("%d pages show %d texts that would run", len(events)+len(pages), shown)
	if shown < 500 {
		t.Error("which is too few to prove anything")
	}
	select {
	case d := <-dialogs:
		t.Errorf("a text ran: %s", d)
	default:
	}
}

// unfold opens what a page of an event keeps shut, but for what it would have to load.
const unfold = `document.querySelectorAll("main details:not(.menu, [data-body])").forEach((d) => d.open = true)`

// hostileEvent has the whole corpus in its fields, another part in each for another turn.
func hostileEvent(id string, turn int) string {
	n := turn * len(hostile.Texts) / hostileTurns
	next := func() string {
		n++
		return hostile.Texts[n%len(hostile.Texts)]
	}
	many := func(count int) map[string]any {
		fields := map[string]any{}
		for range count {
			fields[next()] = next()
		}
		return fields
	}
	var crumbs, frames []any
	for range 12 {
		crumbs = append(crumbs, map[string]any{"type": next(), "category": next(), "message": next(), "data": many(2)})
		frames = append(frames, map[string]any{"filename": next(), "abs_path": next(), "function": next(), "module": next(), "lineno": 3, "in_app": true,
			"pre_context": []string{next()}, "context_line": next(), "post_context": []string{next()}, "vars": many(2)})
	}
	event, err := json.Marshal(map[string]any{
		"event_id": id, "platform": "javascript", "fingerprint": []string{id}, "logger": next(), "server_name": next(), "transaction": next(), "release": fmt.Sprintf("hostile@%d", turn),
		"message": map[string]any{"formatted": next(), "message": next(), "params": []string{next()}}, "user": map[string]any{"id": next(), "email": next(), "username": next(), "name": next()},
		"request": map[string]any{"url": next(), "method": next(), "query_string": next(), "headers": many(4), "data": many(4), "cookies": many(2), "env": many(2)},
		"tags":    many(20), "extra": many(20), "modules": many(6), "breadcrumbs": map[string]any{"values": crumbs},
		"contexts": map[string]any{"browser": map[string]any{"name": next(), "version": next()}, "os": map[string]any{"name": next(), "version": next()}, "custom": many(6),
			"flags": map[string]any{"values": []any{map[string]any{"flag": next(), "result": next()}}}},
		"exception": map[string]any{"values": []any{
			map[string]any{"type": next(), "value": next(), "module": next(), "mechanism": map[string]any{"type": next(), "help_link": next(), "data": many(2)}, "stacktrace": map[string]any{"frames": frames}},
			map[string]any{"type": next(), "value": next(), "stacktrace": map[string]any{"frames": frames[:3]}},
		}},
	})
	if err != nil {
		panic(err) // texts only
	}
	return string(event)
}
