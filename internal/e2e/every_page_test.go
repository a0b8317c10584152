package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// spot is a page to look at: an address, and what is done there first.
type spot struct {
	name, path string
	script     string // opens what the page keeps shut; empty: nothing
}

// peekFirst looks at the first issue of the list beside it.
const peekFirst = `for (const key of ["j", " "]) document.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}))`

// states are addresses beyond the routes: what pages look like when there is nothing, or something
// is wrong, or something is open.
func (s *showcase) states() []spot {
	issues, issue := "/o/default/issues", "/o/default/issues/"+s.names["{issue}"]
	list := []spot{
		{"nothing matches", issues + "?query=nothing-has-this-word", ""}, {"broken search", issues + "?query=level%3A%28", ""}, {"muted", issues + "?status=archived", ""},
		{"no such page", "/nowhere", ""}, {"no such issue", issues + "/DEFAULT-ZZZ", ""}, {"all frames", issue + "?frames=all&order=oldest", ""},
		{"peek", issues, peekFirst},
		{"selected", issues, `document.querySelectorAll(".pick input").forEach((box, i) => i < 3 && box.click())`},
		{"account menu", issues, `document.querySelector("details.menu.account").open = true`},
		{"unfolded issue", issue, `document.querySelectorAll("main details:not(.menu)").forEach((d) => d.open = true)`},
		{"menu of an issue", issue, `document.querySelector('details[data-cmd="issue.assign"]').open = true`},
		{"palette", issues, `document.querySelector("[data-palette]").click()`},
		{"keys", issues, `document.querySelector("#keys").showModal()`},
	}
	for _, platform := range []string{"go", "node", "javascript", "ruby"} {
		var found []struct{ ShortID string }
		if err := s.api(s.t.Context(), "organizations/default/issues/?limit=1&query=has:error.type+platform:"+platform, &found); err != nil || len(found) == 0 {
			s.t.Fatalf("no issue of %s: %v", platform, err)
		}
		list = append(list, spot{"issue of " + platform, issues + "/" + found[0].ShortID, ""})
	}
	return list
}

var routeParameter = regexp.MustCompile(`\{\w+\}`)

// pages are all routes that answer with a page, taken from the list that a test of the router holds
// it to, and the states beside them.
func (s *showcase) pages() (list []spot) {
	s.t.Helper()
	raw, err := os.ReadFile("../web/ui/testdata/access.txt")
	if err != nil {
		s.t.Fatal(err)
	}
	routes, others := 0, 0
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] == "#" || fields[1] != http.MethodGet || strings.HasSuffix(fields[2], "/live") { // which never ends
			continue
		}
		path := s.special[fields[2]]
		if path == "" {
			path = routeParameter.ReplaceAllStringFunc(fields[2], func(p string) string {
				if s.names[p] == "" {
					s.t.Errorf("%s: the showcase has nothing for %s", fields[2], p)
				}
				return s.names[p]
			})
		}
		routes++
		res, body := s.get(path)
		switch {
		case res.StatusCode >= http.StatusInternalServerError:
			s.t.Errorf("%s: %d", path, res.StatusCode)
		case !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "<html"): // files, parts, and ways to elsewhere
			others++
		case res.StatusCode != http.StatusOK && !strings.HasPrefix(fields[2], "/sso"): // nobody signs in through a provider here
			s.t.Errorf("%s: %d", path, res.StatusCode)
		default:
			list = append(list, spot{fields[2], path, ""})
		}
	}
	s.t.Logf("%d routes are read: %d pages, %d files, parts and redirections", routes, len(list), others)
	if len(list) < 50 {
		s.t.Fatalf("only %d routes are pages", len(list))
	}
	return append(list, s.states()...)
}

// media makes a browser say what its reader's system asks for.
func media(browser context.Context, features map[string]string) error {
	params := emulation.SetEmulatedMediaParams{}
	for name, value := range features {
		params.Features = append(params.Features, &emulation.MediaFeature{Name: name, Value: value})
	}
	return chromedp.Do(browser, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, params)
		return err
	}))
}

// violation is a rule of axe that a page breaks.
type violation struct {
	Rule, Impact, Help string
	Nodes              []string
}

// axe runs rules over the page as it is; with none named all of them, targets' sizes included.
func axe(browser context.Context, rules ...string) (found []violation, err error) {
	only, err := json.Marshal(rules)
	if err != nil {
		return nil, err
	}
	run := fmt.Sprintf(`(async () => {
		const only = %s;
		const found = await axe.run(document, {resultTypes: ["violations"], elementRef: false, iframes: false,
			...(only ? {runOnly: {type: "rule", values: only}} : {rules: {"target-size": {enabled: true}}})});
		return found.violations.map((v) => ({Rule: v.id, Impact: v.impact, Help: v.help,
			Nodes: v.nodes.slice(0, 4).map((n) => n.target.join(" ") + ": " + n.html.slice(0, 160) + " – " + (n.any[0] ?? n.all[0] ?? n.none[0])?.message)}));
	})()`, only)
	return chromedp.Run(browser, chromedp.Evaluate[[]violation](run, chromedp.EvalAwaitPromise))
}

// thin takes from a long list, such as the operations of the API, what is like the rows before: a rule
// that six of them keep is kept by all, and looking at each takes time.
const thin = `for (const parent of document.querySelectorAll("main, main *")) {
	const seen = {};
	for (const child of [...parent.children]) {
		const kind = child.tagName + "." + child.className;
		seen[kind] = (seen[kind] ?? 0) + 1;
		if (seen[kind] > 6 && !["OPTION", "A", "SPAN", "rect", "path"].includes(child.tagName)) child.remove();
	}
}`

const sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

// beyond names what reaches over the right edge.
const beyond = `[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1).slice(0, 6)
	.map((e) => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right)).join(", ")`

// TestEveryPage opens every page of the router and asks what people with other eyes, hands and
// screens need of it.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := newShowcase(t)
	pages := s.pages()
	browser := newBrowserFor(t, 28*time.Minute)
	complaints := listen(t, browser)
	s.signIn(t, browser)
	t.Run("fits narrow screens and passes axe", func(t *testing.T) { s.passAxe(t, browser, pages) })
	t.Run("stays as it was", func(t *testing.T) { s.stayAsTheyWere(t, browser) })
	t.Run("says in lines what colours said", func(t *testing.T) { s.forceColours(t, browser) })
	t.Run("holds still", func(t *testing.T) { s.holdStill(t, browser) })
	t.Run("tells the time of its reader", func(t *testing.T) { s.tellTime(t) })
	t.Run("runs nothing that anybody wrote", func(t *testing.T) { s.runNothing(t, browser, pages) })
	for _, c := range complaints() {
		// Pages that say so; 503 is what a page says that a busy machine was too slow for.
		if !strings.Contains(c, "400") && !strings.Contains(c, "403") && !strings.Contains(c, "503") {
			t.Error(c)
		}
	}
}

// narrow are the widths of pages that nothing may reach over: tablets, a telephone, and 320 px, which is
// also a screen of 1280 px enlarged four times.
var narrow = []int64{1024, 768, 375, 320}

// fitNarrow draws the page the browser is at in narrow widths. Code and tables scroll inside their frames.
func fitNarrow(t *testing.T, browser context.Context, p spot) {
	t.Helper()
	for _, width := range narrow {
		if err := chromedp.Do(browser, chromedp.EmulateViewport(width, 800)); err != nil {
			t.Fatal(err)
		}
		over, err := chromedp.Run(browser, chromedp.Evaluate[int](sideways))
		if err != nil || over > 0 {
			what, _ := chromedp.Run(browser, chromedp.Evaluate[string](beyond))
			t.Errorf("%s (%s) at %d px scrolls sideways by %d px: %s, %v", p.name, p.path, width, over, what, err)
		}
	}
}

// forceColours looks at the list and an issue as a system with colours of its own draws them.
func (s *showcase) forceColours(t *testing.T, browser context.Context) {
	differ := `(a, b, property) => getComputedStyle(document.querySelector(a))[property] !== getComputedStyle(document.querySelector(b))[property]`
	marks := map[string]string{
		"the current tab":  `(` + differ + `)(".tabs a[aria-current]", ".tabs a:not([aria-current])", "borderBottomColor")`,
		"the current page": `(` + differ + `)(".rail a[aria-current]", ".rail a.to:not([aria-current])", "outlineStyle")`,
		"sparklines":       `getComputedStyle(document.querySelector(".spark .bars") ?? document.querySelector(".histogram .bars")).fill !== getComputedStyle(document.body).backgroundColor`,
	}
	if err := media(browser, map[string]string{"forced-colors": "active"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/o/default/issues", "/o/default/issues/" + s.names["{issue}"]} {
		s.visit(t, browser, spot{path, path, ""}, 1440)
		for what, script := range marks {
			if told, err := chromedp.Run(browser, chromedp.Evaluate[bool](script)); err != nil || !told {
				t.Errorf("%s: %s looks like the others, %v", path, what, err)
			}
		}
		if err := chromedp.Do(browser, chromedp.KeyEvent(kb.Tab)); err != nil {
			t.Fatal(err)
		}
		outline, err := chromedp.Run(browser, chromedp.Evaluate[string]("getComputedStyle(document.activeElement).outlineStyle"))
		if err != nil || outline == "none" {
			t.Errorf("%s: what has the keys has no outline, %v", path, err)
		}
	}
	if err := media(browser, nil); err != nil {
		t.Fatal(err)
	}
}

// holdStill asks for less motion and sees none, where there is some otherwise.
func (s *showcase) holdStill(t *testing.T, browser context.Context) {
	s.call(http.MethodPost, "/api/0/organizations/default/projects/", map[string]string{"name": "Silent", "slug": "silent", "platform": "go"}, nil)
	for preference, moves := range map[string]bool{"no-preference": true, "reduce": false} {
		if err := media(browser, map[string]string{"prefers-reduced-motion": preference}); err != nil {
			t.Fatal(err)
		}
		s.visit(t, browser, spot{"waiting", "/o/default/projects/silent/start", ""}, 1440)
		n, err := chromedp.Run(browser, chromedp.Evaluate[int]("document.getAnimations().length"))
		if err != nil || n > 0 != moves {
			t.Errorf("%s: %d animations, %v", preference, n, err)
		}
	}
}

var everyLook = flag.Bool("every-look", false, "let axe look at each page in every theme, density and width")

// look is a way to draw a page, and the rules of axe that are asked then; none: all.
type look struct {
	class string
	width int64
	rules []string
}

// looks have each theme, density and width once. With -every-look come the other pairs of them: structure
// does not change with a theme or density, so only what they change is looked at, contrast and sizes.
func looks() []look {
	list := []look{{"compact light", 1440, nil}, {"roomy dark", 375, nil}}
	if *everyLook {
		contrast, sizes := []string{"color-contrast", "link-in-text-block"}, []string{"target-size"}
		list = append(list, look{"compact light", 375, nil}, look{"compact dark", 1440, contrast}, look{"roomy light", 1440, sizes}, look{"compact dark", 375, sizes})
	}
	return list
}

// passAxe looks at pages with axe, each after it was made narrow.
func (s *showcase) passAxe(t *testing.T, browser context.Context, pages []spot) {
	source, err := os.ReadFile(filepath.Join(installClients(t, "axe"), "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := media(browser, map[string]string{"prefers-reduced-motion": "reduce"}); err != nil {
		t.Fatal(err)
	}
	began, runs, seen := time.Now(), 0, map[string]bool{}
	for _, p := range pages {
		s.visit(t, browser, p, 375)
		fitNarrow(t, browser, p)
		if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](thin+string(source)+";true")); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		for _, look := range looks() {
			set := fmt.Sprintf("document.documentElement.className = %q; %s", look.class, sideways)
			if err := chromedp.Do(browser, chromedp.EmulateViewport(look.width, 900)); err != nil {
				t.Fatal(err)
			}
			if _, err := chromedp.Run(browser, chromedp.Evaluate[int](set)); err != nil {
				t.Fatal(err)
			}
			found, err := axe(browser, look.rules...)
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			runs++
			for _, v := range found {
				if key := v.Rule + strings.Join(v.Nodes, ""); !seen[key] { // the frame is on every page
					seen[key] = true
					t.Errorf("%s (%s), %d px, %s: %s %s: %s\n\t%s", p.name, p.path, look.width, look.class, v.Impact, v.Rule, v.Help, strings.Join(v.Nodes, "\n\t"))
				}
			}
		}
	}
	t.Logf("%d pages at %d px; axe looked %d times in %s", len(pages), narrow, runs, time.Since(began).Round(time.Second))
}

// visit opens a page at a width, as its script leaves it.
func (s *showcase) visit(t *testing.T, browser context.Context, p spot, width int64) {
	t.Helper()
	if err := chromedp.Do(browser, chromedp.EmulateViewport(width, 900), chromedp.Navigate(s.URL+p.path)); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	if p.script == "" {
		return
	}
	if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](p.script+"; true")); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}
