package view

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/testkit/hostile"
)

// fill puts text into every string of a value, makes every pointer and puts two elements into
// every list.
func fill(v reflect.Value, text string, depth int) {
	if depth > 8 || !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case event.Value:
		quoted, _ := json.Marshal(map[string]any{text: []any{text, map[string]string{text: text}}})
		v.SetBytes(quoted)
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int16, reflect.Int64:
		v.SetInt(3)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text, depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), text, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text, depth+1)
		}
	case reflect.Map:
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(elem, text, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(text).Convert(v.Type().Key()), elem)
	}
}

// TestHostileTextStaysText draws every page with an attack in every field that an event, an issue
// or a receiver of alerts can fill, and reads the result as a browser does.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	for _, attack := range hostile.Texts {
		var ev event.Event
		fill(reflect.ValueOf(&ev).Elem(), attack, 0)
		now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		p := Page{Title: attack, Now: now, Viewer: &Viewer{Name: attack, Email: attack, Org: attack, OrgName: attack},
			Notice: &Notice{Text: attack, Undo: &Undo{Action: "/x", ID: attack, Back: attack}},
			Crumbs: []Link{{Label: attack, Href: attack}, {Label: attack}}}
		issue, list, alerts := IssuePage{}, ListPage{}, AlertsPage{}
		fill(reflect.ValueOf(&issue).Elem(), attack, 0)
		fill(reflect.ValueOf(&list).Elem(), attack, 0)
		fill(reflect.ValueOf(&alerts).Elem(), attack, 0)
		issue.Series.Labels, issue.Series.Counts = []string{attack}, []int64{1}
		issue.Event = NewEvent(&ev, EventOptions{ReceivedAt: now, Href: "/o/x/issues/X-1/events/1",
			TagHref: func(key, value string) string { return "/o/x/issues?query=" + key + value },
			With:    func(name, value string) string { return "?" + name + "=" + value }})
		list.Empty = NotEmpty
		for i := range list.Rows {
			list.Rows[i].Level = LevelOf(event.LevelError)
		}
		project := ProjectPage{}
		fill(reflect.ValueOf(&project).Elem(), attack, 0)
		for name, c := range map[string]interface{ page() []byte }{
			"issue": drawn(func(b *bytes.Buffer) error { return Render(t.Context(), b, Issue(p, issue)) }),
			"raw": drawn(func(b *bytes.Buffer) error {
				raw, _ := json.Marshal(map[string]any{attack: []string{attack}})
				return Render(t.Context(), b, Raw(p, RawPage{ID: attack, Back: "/x", Download: "/x", Tree: NewRaw(raw)}))
			}),
			"list":    drawn(func(b *bytes.Buffer) error { return Render(t.Context(), b, List(p, list)) }),
			"alerts":  drawn(func(b *bytes.Buffer) error { return Render(t.Context(), b, Alerts(p, alerts)) }),
			"project": drawn(func(b *bytes.Buffer) error { return Render(t.Context(), b, ProjectDetail(p, project)) }),
			"login": drawn(func(b *bytes.Buffer) error {
				return Render(t.Context(), b, Login(p, LoginPage{attack, attack, attack}))
			}),
			"problem": drawn(func(b *bytes.Buffer) error {
				return Render(t.Context(), b, Problem(p, ProblemPage{Title: attack, Text: attack, Causes: []string{attack}}))
			}),
		} {
			page := c.page()
			if why := harm(page); why != "" {
				t.Errorf("%s page with %q: %s", name, attack, why)
			}
			if n := bytes.Count(page, []byte("&lt;script&gt;alert(1)")); attack == hostile.Texts[0] && name == "issue" && n < 150 {
				t.Errorf("the issue page shows only %d of the fields", n)
			}
		}
	}
}

type drawn func(*bytes.Buffer) error

func (d drawn) page() []byte {
	var b bytes.Buffer
	if err := d(&b); err != nil {
		return []byte("<script>" + err.Error())
	}
	return b.Bytes()
}

// ours are the elements that pages are made of.
var elements = func() map[string]bool {
	set := map[string]bool{}
	for e := range strings.FieldsSeq(`html head meta title link script body a nav main header div span p h1 h2 h3 form input label button select option
		details summary ul ol li table thead tbody tr th td pre code svg path rect g time dl dt dd aside section article figure figcaption
		strong b i br noscript mark x-copy x-list x-event x-wait x-zone x-passkey x-crumbs x-json x-palette x-search x-histogram textarea kbd dialog fieldset legend`) {
		set[e] = true
	}
	return set
}()

// harm says what in a page could run or lead astray; empty when nothing could.
func harm(page []byte) string {
	scripts := 0
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if scripts != 1 {
				return "the page has another number of scripts than one"
			}
			return ""
		case html.CommentToken:
			return "a comment: " + string(z.Raw())
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if !elements[token.Data] {
				return "element " + token.Data
			}
			if token.Data == "script" {
				scripts++
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
					return "attribute " + a.Key
				}
				address := a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction"
				if scheme, _, found := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":"); address && found &&
					!strings.ContainsAny(scheme, "/?#") && scheme != "http" && scheme != "https" && scheme != "about" {
					return "address " + a.Val
				}
			}
		}
	}
}
