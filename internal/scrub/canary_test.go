package scrub_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/scrub"
	"github.com/tocsin-dev/tocsin/internal/testkit/canary"
)

// leak applies settings to a payload and reports the stored form when the canary is in it. It counts
// the events that held the canary before.
func leak(t *testing.T, c *scrub.Scrubber, payload, mark string, held *int) string {
	t.Helper()
	ev := decode(t, payload)
	ev.Normalize(event.Delivery{})
	before := string(ev.AppendJSON(nil))
	c.Apply(ev)
	after := ev.AppendJSON(nil)
	if !json.Valid(after) {
		t.Fatalf("not JSON: %s", after)
	}
	if !strings.Contains(before, mark) && !strings.Contains(before, canary.Quoted(mark)[1:len(canary.Quoted(mark))-1]) {
		return "" // lost before, by being no valid field
	}
	*held++
	if strings.Contains(string(after), mark) {
		return string(after)
	}
	return ""
}

func TestNoCanaryIsStored(t *testing.T) {
	t.Parallel()
	if secrets, places := len(canary.Names)+len(canary.Texts), min(len(canary.NamedPlaces), len(canary.TextPlaces)); secrets < 60 || places < 30 {
		t.Fatalf("the corpus shrank to %d secrets in %d places", secrets, places)
	}
	c := compile(t, scrub.Defaults())
	held := 0
	for place, payload := range canary.NamedPlaces {
		for _, name := range canary.Names {
			if place == "broken body" && (name == "otp" || strings.HasPrefix(name, "two")) {
				continue // names that count only when they stand alone, inside a text that no parser reads
			}
			if got := leak(t, c, payload(name, "zq7canary"), "zq7canary", &held); got != "" {
				t.Errorf("%s in %s: %s", name, place, got)
			}
		}
	}
	for place, payload := range canary.TextPlaces {
		for _, s := range canary.Texts {
			if got := leak(t, c, payload(s.Text), s.Canary, &held); got != "" {
				t.Errorf("%s in %s: %s", s.Name, place, got)
			}
		}
	}
	if held < 2000 {
		t.Errorf("only %d events held their canary before", held)
	}
}

func TestNoCookieOfALoginIsStored(t *testing.T) {
	t.Parallel()
	c := compile(t, scrub.Defaults())
	held := 0
	for _, name := range strings.Fields(`sentrysid sudo su session __session sessionid user_session symfony PHPSESSID fasthttpsessionid
		mysession irissessionid _vercel_jwt csrf xsrf _xsrf _csrf csrf-token csrf_token xsrf-token xsrf_token fastcsrf _iris_csrf`) {
		for place, payload := range map[string]string{
			"cookies":         `{"request":{"cookies":{` + canary.Quoted(name) + `:"zq7canary"}}}`,
			"cookie header":   `{"request":{"headers":{"Cookie":` + canary.Quoted("a=b; "+name+"=zq7canary") + `}}}`,
			"broken header":   `{"request":{"cookies":[],"headers":{"Cookie":` + canary.Quoted("a; "+name+"=zq7canary") + `}}}`,
			"set-cookie":      `{"contexts":{"response":{"headers":{"Set-Cookie":` + canary.Quoted(name+"=zq7canary; Path=/; HttpOnly") + `}}}}`,
			"crumb":           `{"breadcrumbs":[{"data":{"cookies":{` + canary.Quoted(name) + `:"zq7canary"}}}]}`,
			"span attribute":  canary.Transaction(`"data":{"http.request.header.cookie":` + canary.Quoted(name+"=zq7canary") + `}`),
			"other attribute": canary.Transaction(`"data":{` + canary.Quoted("http.request.header.cookie."+name) + `:["zq7canary"]}`),
			"extra header":    `{"extra":{"headers":{"cookie":` + canary.Quoted(name+"=zq7canary") + `}}}`,
		} {
			if got := leak(t, c, payload, "zq7canary", &held); got != "" {
				t.Errorf("%s in %s: %s", name, place, got)
			}
		}
	}
	if held < 150 {
		t.Errorf("only %d events held their cookie before", held)
	}
}

// TestWhatTheDefaultsLeave lists the places that the built-in rules do not reach by design, and that
// Strict reaches when the secret shows by its form.
func TestWhatTheDefaultsLeave(t *testing.T) {
	t.Parallel()
	defaults := compile(t, scrub.Defaults())
	s := scrub.Defaults()
	s.Strict = true
	strict := compile(t, s)
	for place, payload := range map[string]func(string) string{
		"exception value": func(s string) string { return `{"exception":[{"type":"E","value":` + canary.Quoted(s) + `}]}` },
		"tag":             func(s string) string { return `{"tags":{"a":` + canary.Quoted(s) + `}}` },
		"url":             func(s string) string { return `{"request":{"url":` + canary.Quoted("https://h/"+s) + `}}` },
		"transaction":     func(s string) string { return `{"transaction":` + canary.Quoted(s) + `}` },
		"message":         func(s string) string { return `{"message":` + canary.Quoted(s) + `}` },
	} {
		text := payload("token=zq7canary")
		if leak(t, defaults, text, "zq7canary", new(int)) == "" {
			t.Errorf("%s: the built-in rules reach it now", place)
		}
		if got := leak(t, strict, text, "zq7canary", new(int)); got != "" {
			t.Errorf("%s: strict leaves %s", place, got)
		}
	}
}
