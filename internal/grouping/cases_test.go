package grouping

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// casesFolder is where TestUpstream… find the event grouping cases of another implementation:
// inputs/NAME.json, expected.json, fingerprints/*.json and parameterization.json. Without it these
// tests use the cases of this repository alone.
func casesFolder() string { return os.Getenv("TOCSIN_GROUPING_CASES") }

// decode makes a normalized event as the processor sees it.
func decode(t testing.TB, payload []byte) *event.Event {
	t.Helper()
	ev, err := event.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	trace := ev.Stacktrace
	ev.Normalize(event.Delivery{ReceivedAt: time.Unix(1_700_000_000, 0)})
	if trace != nil && len(trace.Frames) == 0 {
		ev.Stacktrace = trace // normalizing drops it, and grouping can tell that it was there
	}
	return ev
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// wantVariant is what a case says about one variant.
type wantVariant struct {
	Contributes bool   `json:"contributes"`
	Hash        string `json:"hash"`
	Hint        string `json:"hint"`
	Values      texts  `json:"contributing_values"`
	Component   string `json:"contributing_component"`
	MatchedRule string `json:"matched_rule_text"`
}

// texts is a list of leaves, numbers as their decimal text.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var list []any
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	for _, v := range list {
		*t = append(*t, fmt.Sprint(v))
	}
	return nil
}

func gotVariants(e *Explanation) map[string]wantVariant {
	got := map[string]wantVariant{}
	for i := range e.Variants {
		v := &e.Variants[i]
		w := wantVariant{Contributes: v.Contributes, Hint: v.Hint, Values: v.Values}
		if v.Contributes {
			w.Hash = v.Hash.String()
			w.Component = v.ContributingComponent()
		}
		if v.Name == "built_in_fingerprint" || v.Name == "custom_server_fingerprint" {
			w.MatchedRule = e.MatchedRule
		}
		got[v.Name] = w
	}
	return got
}

func compareVariants(t *testing.T, want, got map[string]wantVariant) {
	t.Helper()
	for name, w := range want {
		if !w.Contributes {
			w.Component = "" // recorded also where a fingerprint overrides it
		}
		if len(w.Values) == 0 {
			w.Values = nil
		}
		want[name] = w
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variants (-want +got):\n%s", diff)
	}
}

func compile(t testing.TB, enhancements, fingerprints string) Rules {
	t.Helper()
	e, err := ParseEnhancements(enhancements)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFingerprintRules(fingerprints)
	if err != nil {
		t.Fatal(err)
	}
	return Rules{Enhancements: e, Fingerprints: f}
}

// ruleList is a fingerprint rule as the cases write it.
type ruleList struct {
	Matchers    [][2]string       `json:"matchers"`
	Fingerprint []string          `json:"fingerprint"`
	Attributes  map[string]string `json:"attributes"`
}

func (r ruleList) text() string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
	var words []string
	for _, m := range r.Matchers {
		words = append(words, m[0]+":"+quote(m[1]))
	}
	words = append(words, "->")
	for _, v := range r.Fingerprint {
		words = append(words, quote(v))
	}
	if title, ok := r.Attributes["title"]; ok {
		words = append(words, "title="+quote(title))
	}
	return strings.Join(words, " ")
}

// caseSetup is the part of an input that is not the event.
type caseSetup struct {
	Grouping struct {
		Enhancements string `json:"enhancements"`
	} `json:"_grouping"`
	Fingerprints []ruleList `json:"_fingerprinting_rules"`
}

func (s caseSetup) rules(t testing.TB) Rules {
	var texts []string
	for _, r := range s.Fingerprints {
		texts = append(texts, r.text())
	}
	return compile(t, s.Grouping.Enhancements, strings.Join(texts, "\n"))
}

// checkBoth asserts that Assign and Explain agree, also when the event is seen again, and returns
// the explanation.
func checkBoth(t testing.TB, g *Grouper, payload []byte) (*event.Event, Explanation) {
	t.Helper()
	ev := decode(t, payload)
	first := g.Assign(ev)
	explained := g.Explain(decode(t, payload))
	if diff := cmp.Diff(first.Hashes, explained.Hashes()); diff != "" {
		t.Errorf("Assign and Explain differ (-assign +explain):\n%s", diff)
	}
	if diff := cmp.Diff(first, g.Assign(ev)); diff != "" {
		t.Errorf("assigning again differs (-first +again):\n%s", diff)
	}
	if diff := cmp.Diff(explained, g.Explain(ev)); diff != "" {
		t.Errorf("explaining an assigned event differs (-fresh +again):\n%s", diff)
	}
	return ev, explained
}

func TestUpstreamInputs(t *testing.T) {
	folder := casesFolder()
	if folder == "" {
		runOwnCases(t, false)
		return
	}
	var expected struct {
		Inputs map[string]struct {
			Config   string                 `json:"config"`
			Variants map[string]wantVariant `json:"variants"`
			Newest   map[string]wantVariant `json:"newest_config_derived"`
			Same     *bool                  `json:"same_under_newest_config_derived"`
		} `json:"inputs"`
	}
	readJSON(t, filepath.Join(folder, "expected.json"), &expected)
	passed := 0
	for name, want := range expected.Inputs {
		ok := t.Run(name, func(t *testing.T) {
			payload, err := os.ReadFile(filepath.Join(folder, "inputs", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var setup caseSetup
			if err := json.Unmarshal(payload, &setup); err != nil {
				t.Fatal(err)
			}
			cfg, known := ByID(want.Config)
			if !known {
				t.Fatalf("unknown configuration %q", want.Config)
			}
			_, got := checkBoth(t, New(cfg, setup.rules(t)), payload)
			compareVariants(t, want.Variants, gotVariants(&got))
			if want.Same == nil {
				return
			}
			_, newest := checkBoth(t, New(Newest(), setup.rules(t)), payload)
			if *want.Same {
				want.Newest = want.Variants
			}
			compareVariants(t, hashesOnly(want.Newest), hashesOnly(gotVariants(&newest)))
		})
		if ok {
			passed++
		}
	}
	fmt.Printf("grouping inputs: %d of %d\n", passed, len(expected.Inputs))
}

func hashesOnly(all map[string]wantVariant) map[string]wantVariant {
	out := map[string]wantVariant{}
	for name, v := range all {
		if v.Contributes {
			out[name] = wantVariant{Contributes: true, Hash: v.Hash, Values: v.Values}
		}
	}
	return out
}

func TestUpstreamFingerprints(t *testing.T) {
	folder := casesFolder()
	if folder == "" {
		runOwnCases(t, true)
		return
	}
	var expected struct {
		Cases map[string]struct {
			OnEvent     []string `json:"fingerprint_on_event"`
			Title       string   `json:"title"`
			Resolved    []string `json:"resolved_values"`
			MatchedRule string   `json:"matched_rule_text"`
			Client      []string `json:"client_fingerprint"`
			Hash        string   `json:"hash_by_recipe"`
			Variant     string   `json:"contributing_variant"`
		} `json:"cases"`
	}
	readJSON(t, filepath.Join(folder, "fingerprints", "expected.json"), &expected)
	passed := 0
	for name, want := range expected.Cases {
		ok := t.Run(name, func(t *testing.T) {
			payload, err := os.ReadFile(filepath.Join(folder, "fingerprints", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var setup caseSetup
			if err := json.Unmarshal(payload, &setup); err != nil {
				t.Fatal(err)
			}
			ev, got := checkBoth(t, New(Newest(), setup.rules(t)), payload)
			title := got.Title
			if title == "" {
				title = ev.Metadata().Title
			}
			v := got.Variants[slices.IndexFunc(got.Variants, func(v Variant) bool { return v.Contributes })]
			have := []any{got.Fingerprint, title, v.Values, v.Hash.String(), v.Name, got.ClientFingerprint}
			wanted := []any{want.OnEvent, want.Title, want.Resolved, want.Hash, want.Variant, want.Client}
			if want.MatchedRule != "" && !sameRule(want.MatchedRule, got.MatchedRule) {
				t.Errorf("matched rule %s, want %s", got.MatchedRule, want.MatchedRule)
			}
			if diff := cmp.Diff(wanted, have); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
		if ok {
			passed++
		}
	}
	fmt.Printf("fingerprint cases: %d of %d\n", passed, len(expected.Cases))
}

// sameRule compares two rule texts; the order of conditions says nothing.
func sameRule(a, b string) bool {
	words := func(s string) []string {
		head, tail, _ := strings.Cut(s, " -> ")
		list := strings.Fields(head)
		slices.Sort(list)
		return append(list, tail)
	}
	return slices.Equal(words(a), words(b))
}

func TestUpstreamParameterization(t *testing.T) {
	path := filepath.Join("testdata", "parameterization.json")
	if folder := casesFolder(); folder != "" {
		path = filepath.Join(folder, "parameterization.json")
	}
	var cases []struct{ Name, Input, Expected string }
	readJSON(t, path, &cases)
	passed, contexts := 0, 0
	for i, c := range cases {
		bare := strings.HasPrefix(c.Name, "known imperfect") || i >= len(cases)-3
		ok := true
		for _, around := range [...][2]string{{"", ""}, {"prefix ", ""}, {"", " suffix"}, {"prefix ", " suffix"}} {
			if bare && around != [2]string{} {
				continue
			}
			contexts++
			want := around[0] + c.Expected + around[1]
			if got := Parameterize(around[0] + c.Input + around[1]); got != want {
				t.Errorf("%s: %q\nwant %q\n got %q", c.Name, around[0]+c.Input+around[1], want, got)
				ok = false
			}
		}
		if ok {
			passed++
		}
	}
	fmt.Printf("parameterization: %d of %d cases in %d contexts\n", passed, len(cases), contexts)
}

// TestOwnCases: the leaves that the rules name, and their MD5, are what grouping finds.
func TestOwnCases(t *testing.T) { runOwnCases(t, false) }

// runOwnCases checks the cases of this repository, or only those with a fingerprint.
func runOwnCases(t *testing.T, fingerprinted bool) {
	t.Helper()
	var file struct {
		Cases []struct {
			Name         string          `json:"name"`
			Config       string          `json:"config"`
			Enhancements string          `json:"enhancements"`
			Fingerprints string          `json:"fingerprints"`
			Title        string          `json:"title"`
			Event        json.RawMessage `json:"event"`
			Want         map[string]struct {
				Leaves []string `json:"leaves"`
				Hash   string   `json:"hash"`
			} `json:"want"`
		} `json:"cases"`
	}
	readJSON(t, filepath.Join("testdata", "cases.json"), &file)
	passed, total := 0, 0
	for _, c := range file.Cases {
		if fingerprinted && !strings.Contains(string(c.Event)+c.Fingerprints, "fingerprint") && c.Fingerprints == "" {
			continue
		}
		total++
		ok := t.Run(c.Name, func(t *testing.T) {
			cfg, known := ByID(c.Config)
			if !known {
				t.Fatalf("unknown configuration %q", c.Config)
			}
			_, got := checkBoth(t, New(cfg, compile(t, c.Enhancements, c.Fingerprints)), c.Event)
			want := map[string]wantVariant{}
			for name, v := range c.Want {
				want[name] = wantVariant{Contributes: true, Hash: v.Hash, Values: v.Leaves}
			}
			if diff := cmp.Diff(want, hashesOnly(gotVariants(&got)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Title != c.Title {
				t.Errorf("title %q, want %q", got.Title, c.Title)
			}
		})
		if ok {
			passed++
		}
	}
	fmt.Printf("own cases: %d of %d\n", passed, total)
}
