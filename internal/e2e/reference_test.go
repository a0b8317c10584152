package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/image/font/gofont/goregular"

	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// reference is a state of a page that stays as it is.
type reference struct {
	name  string
	at    spot
	look  string // of the page; empty: compact light
	width int64  // 0: 1440
	until string // what must be there first; empty: nothing else
}

// references are the states that are held as pictures: the pages people live in at the widths and in
// the themes that differ, and one of each kind of page beside.
func (s *showcase) references() []reference {
	const (
		dark = "compact dark"
		hand = "roomy light"
	)
	issues, issue := "/o/default/issues", "/o/default/issues/"+s.names["{issue}"]
	latest := issue + "?order=newest&frames=in-app&paths=short"
	some := issues + "?query=platform%3Apython+charge"
	open := `document.querySelector(%q).open = true`
	first := `document.querySelector(".pick input").click()`
	return []reference{
		{"list", spot{"", some, ""}, "", 0, ""},
		{"list-dark", spot{"", some, ""}, dark, 0, ""},
		{"list-tablet", spot{"", some, ""}, "", 768, ""},
		{"list-phone", spot{"", some, ""}, hand, 375, ""},
		{"list-selected", spot{"", some, first}, "", 0, ""},
		{"list-nothing", spot{"", issues + "?query=nothing-has-this-word", ""}, "", 0, ""},
		{"list-mistake", spot{"", issues + "?query=level%3A%28", ""}, "", 0, "!!document.querySelector('#query-problem')"},
		{"peek", spot{"", some, peekFirst}, "", 0, "!!document.querySelector('#peek-body')"},
		{"palette", spot{"", some, `localStorage.clear(); document.querySelector("[data-palette]").click()`}, "", 0, "!!document.querySelector('.palette[open] li')"},
		{"keys", spot{"", some, `document.querySelector("#keys").showModal()`}, dark, 0, ""},
		{"issue", spot{"", latest, ""}, "", 0, ""},
		{"issue-dark", spot{"", latest, ""}, dark, 0, ""},
		{"issue-roomy", spot{"", latest, ""}, hand, 0, ""},
		{"issue-tablet", spot{"", latest, ""}, "", 768, ""},
		{"issue-phone", spot{"", latest, ""}, hand, 375, ""},
		{"issue-phone-stack", spot{"", latest, `document.querySelector("#exception").scrollIntoView()`}, "roomy dark", 375, ""},
		{"issue-stack", spot{"", latest, `document.querySelector("#exception").scrollIntoView()`}, "", 0, ""},
		{"issue-assign", spot{"", latest, fmt.Sprintf(open, `details[data-cmd="issue.assign"]`)}, "", 0, ""},
		{"issue-activity", spot{"", issue + "/activity", ""}, "", 0, ""},
		{"issue-attachments", spot{"", issue + "/attachments", ""}, "", 0, ""},
		{"nowhere", spot{"", "/nowhere", ""}, "", 0, ""},
		{"sign-in-link", spot{"", "/forgot", ""}, "", 0, ""},
		{"start", spot{"", "/o/default/projects/default/start", ""}, "", 0, ""},
		{"rule", spot{"", "/o/default/alerts/new", ""}, "", 0, ""},
		{"destinations-phone", spot{"", "/o/default/alerts/destinations", ""}, hand, 375, ""},
		{"members", spot{"", "/o/default/settings/members", ""}, "", 0, ""},
		{"filters", spot{"", "/o/default/projects/default/filters", ""}, dark, 0, ""},
		{"new-project", spot{"", "/o/default/projects/new", ""}, "", 0, ""},
	}
}

// pin draws a page with letters that come with the tests, and puts one word for what differs from run to
// run: numbers, names made of them, times, and how long bars are.
const pin = `(async () => {
	const font = new FontFace("Pinned", Uint8Array.from(atob(%q), (c) => c.charCodeAt(0)));
	document.fonts.add(await font.load());
	const sheet = new CSSStyleSheet();
	sheet.replaceSync("* { font-family: Pinned !important; caret-color: transparent !important; scrollbar-width: none !important } .bars, .fill, .spark, .hit, .link-state, #live-pill, progress, summary::before, .fold::before, .relation::before { visibility: hidden !important }");
	document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
	document.documentElement.className = %q;
	for (const e of document.querySelectorAll("time")) e.textContent = "7 min ago";
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data
		.replace(/[▾▸⋯✓×]/g, "v").replace(/\b[0-9a-f]{8,}…?/g, "7").replace(/\b[A-Z]+-[0-9A-Z]+\b/g, "DEFAULT-7").replace(/\d[\d,.:]*/g, "7")
		.replace(/7 (s|min|h|d|ms|µs)\b/g, "7 min").replace(/\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b/g, "May");
	document.activeElement?.blur();
	await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	return true;
})()`

// stayAsTheyWere compares pictures of the reference states with those kept.
func (s *showcase) stayAsTheyWere(t *testing.T, browser context.Context) {
	if err := media(browser, map[string]string{"prefers-reduced-motion": "reduce"}); err != nil {
		t.Fatal(err)
	}
	began, letters := time.Now(), base64.StdEncoding.EncodeToString(goregular.TTF)
	list := s.references()
	for _, r := range list {
		if r.width == 0 {
			r.width = 1440
		}
		if r.look == "" {
			r.look = "compact light"
		}
		p := &page{t, s.instance, browser}
		p.await(r.name, time.Minute, func(context.Context) error {
			s.visit(t, browser, r.at, r.width)
			if p.is("!!document.querySelector('[data-away]')") { // a busy machine's database
				return errors.New("the page stands for another")
			}
			return nil
		})
		p.holds("!document.querySelector('x-histogram') || !!document.querySelector('x-histogram svg')") // it comes after the list
		if r.until != "" {
			p.holds(r.until)
		}
		if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](fmt.Sprintf(pin, letters, r.look), chromedp.EvalAwaitPromise)); err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		shot, err := chromedp.Run(browser, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		picture, err := png.Decode(bytes.NewReader(shot))
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		golden.Picture(t, "reference/"+r.name+".png", picture)
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].name
	}
	t.Logf("%d states in %s: %s", len(list), time.Since(began).Round(time.Second), strings.Join(names, " "))
}
