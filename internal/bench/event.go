package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Sizes of events, by what real SDKs send: a bare error; a web request's error with source
// context and breadcrumbs; a deep stack with many breadcrumbs.
var sizes = map[string]struct{ frames, breadcrumbs, context int }{
	"small":   {3, 2, 0},
	"typical": {30, 50, 3},
	"large":   {200, 100, 10},
}

// body is one event cut where its id and its user go, so that sending it again costs a copy.
type body struct{ parts [3]string }

const (
	idMark   = "\x00id\x00"
	userMark = "\x00user\x00"
)

// bodies makes variants of each of the issues, in random order; the seed decides their contents.
func bodies(size string, issues, variants int, seed uint64) []body {
	rng := rand.New(rand.NewPCG(seed, 0))
	var list []body
	for i := range issues {
		for v := range variants {
			text := render(size, i, v, rng)
			head, rest, _ := strings.Cut(text, idMark)
			middle, tail, _ := strings.Cut(rest, userMark)
			list = append(list, body{[3]string{head, middle, tail}})
		}
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

var syllables = strings.Fields("order cart price stock user mail token cache queue batch index query page media image label route scope model event ledger refund coupon invoice carrier parcel depot tariff quota audit")

func name(rng *rand.Rand, words int) string {
	parts := make([]string, words)
	for i := range parts {
		parts[i] = syllables[rng.IntN(len(syllables))]
	}
	return strings.Join(parts, "_")
}

// letters writes n in letters, which grouping does not take for a parameter.
func letters(n int) string {
	s := ""
	for ; n > 0 || s == ""; n /= 26 {
		s = string(rune('a'+n%26)) + s
	}
	return s
}

func render(size string, issue, variant int, rng *rand.Rand) string {
	shape := sizes[size]
	// An issue's frames are always the same; what surrounds them varies.
	fixed := rand.New(rand.NewPCG(uint64(issue), 1))
	var frames []any
	for f := range shape.frames {
		line := 20 + fixed.IntN(400)
		frame := map[string]any{
			"function": name(fixed, 2), "module": "shop." + name(fixed, 1), "filename": "shop/" + name(fixed, 1) + ".py",
			"abs_path": "/srv/app/shop/" + name(fixed, 1) + ".py", "lineno": line, "in_app": f%3 == 0,
			"context_line": "    " + name(fixed, 1) + " = " + name(fixed, 2) + "(" + name(fixed, 1) + ")",
		}
		if f == shape.frames-1 {
			frame["function"] = "handle_" + letters(issue)
		}
		if f%4 == 0 && shape.context > 0 {
			frame["pre_context"] = lines(fixed, shape.context)
			frame["post_context"] = lines(fixed, shape.context)
			frame["vars"] = map[string]any{name(fixed, 1): name(rng, 1), "count": rng.IntN(1000)}
		}
		frames = append(frames, frame)
	}
	var crumbs []any
	for range shape.breadcrumbs {
		crumbs = append(crumbs, map[string]any{"timestamp": float64(time.Now().Unix()) - rng.Float64()*60, "category": "query",
			"message": fmt.Sprintf("SELECT %s WHERE id = %d", name(rng, 1), rng.IntN(1_000_000)), "level": "info"})
	}
	ev := map[string]any{
		"event_id": idMark, "platform": "python", "level": "error", "environment": "production",
		"release": fmt.Sprintf("shop@2.%d.0", variant), "server_name": "web-1", "transaction": "/checkout/" + letters(issue),
		"exception": map[string]any{"values": []any{map[string]any{"type": "Failure" + strings.ToUpper(letters(issue)), "value": "cannot " + name(rng, 3),
			"mechanism": map[string]any{"type": "generic", "handled": false}, "stacktrace": map[string]any{"frames": frames}}}},
		"breadcrumbs": map[string]any{"values": crumbs},
		"user":        map[string]any{"id": userMark, "email": "user@example.com"},
		"tags":        map[string]any{"tenant": name(rng, 1), "region": []string{"eu", "us", "ap"}[rng.IntN(3)], "plan": "team"},
		"request": map[string]any{"method": "POST", "url": "https://shop.example.com/checkout", "query_string": "step=2",
			"headers": map[string]any{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36", "Accept": "*/*"}},
		"contexts": map[string]any{"runtime": map[string]any{"name": "CPython", "version": "3.12.4"}, "os": map[string]any{"name": "Linux", "version": "6.1.0"},
			"trace": map[string]any{"trace_id": fmt.Sprintf("%032x", rng.Uint64()), "span_id": fmt.Sprintf("%016x", rng.Uint64()), "op": "http.server"}},
		"sdk": map[string]any{"name": "sentry.python", "version": "2.68.0"},
	}
	text, err := json.Marshal(ev)
	if err != nil {
		panic(err)
	}
	s := strings.ReplaceAll(string(text), `"\u0000id\u0000"`, `"`+idMark+`"`)
	return strings.ReplaceAll(s, `"\u0000user\u0000"`, `"`+userMark+`"`)
}

func lines(rng *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "    " + name(rng, 2) + " = self." + name(rng, 2) + "(" + name(rng, 1) + ", " + name(rng, 1) + ")"
	}
	return out
}
