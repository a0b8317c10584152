package view

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoTwoCommandsShareKeys looks at what holds on one page: a scope and what holds everywhere.
func TestNoTwoCommandsShareKeys(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	for _, scope := range []KeyScope{KeysList, KeysDetail, KeysReleases, KeysRelease, KeysEverywhere, KeysDialog} {
		taken := make(map[string]string)
		for _, c := range Commands {
			if c.Scope != scope && c.Scope != KeysEverywhere {
				continue
			}
			first, _, _ := strings.Cut(c.Keys, " ")
			for keys, id := range taken {
				begins, _, several := strings.Cut(keys, " ")
				if keys == c.Keys || several && begins == c.Keys || strings.Contains(c.Keys, " ") && keys == first {
					t.Errorf("%s: %q of %s and %q of %s get in each other's way", scope, c.Keys, c.ID, keys, id)
				}
			}
			taken[c.Keys] = c.ID
			ids[c.ID] = true
		}
	}
	if len(ids) != len(Commands) {
		t.Errorf("%d commands share an id or have no scope", len(Commands)-len(ids))
	}
}

// scripted is how scripts take a command over.
var scripted = regexp.MustCompile(`\bon\("([a-z.-]+)"`)

// TestScriptsNameKnownCommands holds scripts to the registry.
func TestScriptsNameKnownCommands(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../assets/src/*.ts")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	n := 0
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range scripted.FindAllStringSubmatch(string(body), -1) {
			n++
			commandOf(m[1])
		}
	}
	if n < 10 {
		t.Errorf("only %d commands are taken over by scripts", n)
	}
}

func TestTheSheetShowsEveryCommandOfThePage(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Render(t.Context(), &b, Problem(Page{Now: noon, Keys: KeysList, Viewer: &Viewer{Org: "acme"}}, ProblemPage{})); err != nil {
		t.Fatal(err)
	}
	for _, c := range Commands {
		shown := strings.Contains(b.String(), `data-id="`+c.ID+`"`)
		if want := c.Scope == KeysList || c.Scope == KeysEverywhere || c.Scope == KeysDialog; shown != want {
			t.Errorf("%s: want shown %t, got %t", c.ID, want, shown)
		}
	}
}
