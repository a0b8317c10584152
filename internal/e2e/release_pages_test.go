package e2e

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// minifiedCart is a script and its map, which has its first function as line 1 of src/cart.js.
const (
	minifiedCart    = "function a(){return b.c}\n//# sourceMappingURL=app.js.map\n"
	minifiedCartMap = `{"version":3,"sources":["src/cart.js"],"sourcesContent":["function renderCart() {\n  return cart.sum;\n}\n"],"names":["renderCart"],"mappings":"AAAA,SAASA"}`
)

// uploadFile puts one file of a release where command lines put them.
func (in *instance) uploadFile(t *testing.T, version, name, text string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "app")
	if err == nil {
		_, err = part.Write([]byte(text))
	}
	if err != nil || form.WriteField("name", name) != nil || form.Close() != nil {
		t.Fatal("write the form", err)
	}
	status, answer, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/0/projects/"+in.Organization+"/"+in.Project+"/releases/"+version+"/files/", in.AuthToken,
		body.Bytes(), "Content-Type", form.FormDataContentType())
	if err != nil || status != http.StatusCreated {
		t.Fatalf("upload %s: %d %s %v", name, status, answer, err)
	}
}

// TestTheReleasePageTellsWhyAMapFailed goes from the list of releases to one of them by keyboard, and
// asks about a frame and an event: first its map is under another address, then it is found.
func TestTheReleasePageTellsWhyAMapFailed(t *testing.T) {
	t.Parallel()
	in := up(t)
	in.fails(t, 801, "an older trouble", "shop@1.0.0")
	id := eventID(802)
	if status, err := in.send(t.Context(), id, `{"event_id":"`+id+`","platform":"javascript","release":"shop@1.1.0","environment":"production","exception":{"values":[{"type":"TypeError","value":"b is undefined",
		"stacktrace":{"frames":[{"function":"a","filename":"/static/app.js","abs_path":"https://shop.example.org/static/app.js","lineno":1,"colno":5,"in_app":true}]}}]}}`); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	in.await("the release", 30*time.Second, func(ctx context.Context) error {
		var r struct{ NewGroups int }
		err := in.api(ctx, "organizations/"+in.Organization+"/releases/shop@1.1.0/", &r)
		if err == nil && r.NewGroups != 1 {
			err = fmt.Errorf("%d new issues", r.NewGroups)
		}
		return err
	})
	in.uploadFile(t, "shop@1.1.0", "~/assets/app.js", minifiedCart)
	in.uploadFile(t, "shop@1.1.0", "~/assets/app.js.map", minifiedCartMap)
	p := in.page(t)
	complaints := listen(t, p.browser)
	org := "/o/" + in.Organization
	p.open(org + "/issues")
	p.press("gr", `location.pathname.endsWith("/releases")`)
	p.shows(".releases tbody tr:first-child", "1.1.0")
	p.shows(".releases tbody tr:first-child", "production")
	p.do(chromedp.Click(".releases tbody tr:first-child a"))
	p.shows("#new", "TypeError")
	p.press("j", `document.querySelector("h1").textContent === "1.0.0"`)
	p.press("k", `document.querySelector("h1").textContent === "1.1.0"`)
	p.press("e", `document.querySelector(".issue-head").textContent.includes("finalized") && !document.querySelector(".issue-head").textContent.includes("not finalized")`)
	p.press("c", `location.pathname.endsWith("/compare")`)
	p.shows("#only", "TypeError")
	p.shows("#gone", "an older trouble")

	artifacts := org + "/releases/" + in.Project + "/shop@1.1.0/artifacts"
	check := func(what string) {
		p.open(artifacts)
		p.do(chromedp.SendKeys("#frame", what), chromedp.Click("#check button"))
	}
	p.open(artifacts)
	p.shows("#files", "~/assets/app.js")
	check("at a (https://shop.example.org/static/app.js:1:5)")
	p.shows("#check .diagnosis", "looked for as")
	check(id)
	p.shows("#check", "0 of 1 frame resolved")
	p.shows("#check .diagnosis", "The release has ~/assets/app.js")
	in.uploadFile(t, "shop@1.1.0", "~/static/app.js", minifiedCart)
	in.uploadFile(t, "shop@1.1.0", "~/static/app.js.map", minifiedCartMap)
	check("at a (https://shop.example.org/static/app.js:1:5)")
	p.shows("#check .diagnosis.good", "src/cart.js:1")
	check(id)
	p.shows("#check", "1 of 1 frame resolved")
	check(strings.Repeat("f", 32))
	p.shows("#frame-problem", "no event of this id")

	p.open(org + "/e/" + id)
	p.do(chromedp.Click(".numbers .rel a"))
	p.shows("h1", "1.1.0")
	for _, c := range complaints() {
		t.Error(c)
	}
}
