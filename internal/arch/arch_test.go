// Package arch holds the map of the code base: which package may import which.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const root = "github.com/tocsin-dev/tocsin/"

// The layers, lowest first. A package imports what its row lists; "rows above" of CONTRIBUTING.md
// are the named groups. Every package may import fault.
var (
	words    = []string{"fault", "dsn", "envelope", "outcome", "quota", "search", "seal", "minidump", "unreal", "sourcemap", "unwind", "debugfile", "proguard"}
	concepts = []string{"project", "account", "event", "filter", "scrub", "artifact", "grouping", "ownership", "issue", "release", "monitor", "alert", "job"}
	adapters = []string{"bus", "postgres", "blob", "spool", "disk", "machine", "outbound", "geo", "symbolicator", "delivery/...", "embedded/..."}
	plumbing = []string{"app", "httpx", "telemetry", "bindings", "symbol"}

	allowed = map[string][]string{
		"fault": {}, "dsn": {}, "envelope": {"outcome"}, "outcome": {}, "quota": {"outcome"}, "search": {}, "seal": {}, "minidump": {}, "unreal": {},
		"sourcemap": {}, "unwind": {}, "debugfile": {"unwind"}, "proguard": {},
		"project": {"dsn", "quota"}, "account": {"project"}, "event": {}, "filter": {"event"}, "scrub": {"event"},
		"job":      {"issue"},
		"artifact": {"event", "sourcemap"}, "grouping": {"event"}, "ownership": {"event"}, "issue": {"event", "grouping", "release"}, "release": {"event"}, "monitor": {},
		"alert": {"event", "issue", "monitor", "search"}, "alerting": join(words, concepts, []string{"postgres"}),
		"bus": {}, "postgres": join(words, concepts, []string{"/migrations"}), "blob": {}, "spool": {}, "disk": {}, "machine": {}, "outbound": {}, "geo": {"event"},
		"symbolicator": {"bus", "outbound"},
		"delivery":     {"alert", "issue", "outbound", "seal"}, "embedded": {"bus", "disk", "machine"},
		"bindings": join([]string{"bus", "/deploy"}, words, concepts),
		"symbol":   join(words, concepts, adapters), "httpx": words, "telemetry": words, "app": join(words, concepts, adapters, plumbing),
		"ingest": nil, "processor": nil, "notifier": nil, "web": nil, "operator": nil, // nil: everything but each other
		"testkit": nil, "arch": nil, "tools": nil, "e2e": nil, "bench": nil, "chaos": nil,
	}
	services = []string{"ingest", "processor", "notifier", "web"}
)

func join(groups ...[]string) []string { return slices.Concat(groups...) }

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsFollowTheLayers(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", root+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, internal := strings.CutPrefix(p.ImportPath, root+"internal/")
		if !internal {
			continue
		}
		seen++
		row := key(name)
		may, known := allowed[row]
		if !known {
			t.Errorf("package internal/%s has no row in the layer table", name)
			continue
		}
		for _, imp := range p.Imports {
			if rest, ours := strings.CutPrefix(imp, root); ours && !permitted(row, may, rest) {
				t.Errorf("internal/%s must not import %s", name, rest)
			}
		}
	}
	if seen < 20 {
		t.Errorf("the listing shows only %d packages", seen)
	}
}

// key is the row of the table a package belongs to: its first path element.
func key(name string) string {
	head, _, _ := strings.Cut(name, "/")
	return head
}

func permitted(row string, may []string, imp string) bool {
	target, internal := strings.CutPrefix(imp, "internal/")
	if !internal {
		return may == nil || slices.Contains(may, "/"+imp)
	}
	target = key(target)
	if target == "fault" || target == row {
		return true
	}
	if may == nil {
		return !slices.Contains(services, target) || !slices.Contains(services, row)
	}
	return slices.ContainsFunc(may, func(m string) bool { return key(m) == target })
}
