package e2e

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// seenTable is what the programs of others were seen to do, as deploy/docs/clients.md shows it.
type seenTable struct {
	head  []string
	cells map[string][]string
}

func newTable(head ...string) *seenTable { return &seenTable{head: head, cells: map[string][]string{}} }

// add notes that something worked, in a column, and the text by which that was seen; empty: it ended well.
func (t *seenTable) add(name string, column int, seen string) {
	cells := t.cells[name]
	if cells == nil {
		cells = make([]string, len(t.head)-1)
	}
	if seen = strings.TrimSpace(seen); seen == "" {
		seen = "works"
	} else {
		seen = "works: " + seen
	}
	cells[column] = seen
	t.cells[name] = cells
}

var documents sync.Mutex

// check holds the section of the document to what was seen; -update writes it.
func (t *seenTable) check(tb testing.TB, section string) {
	tb.Helper()
	if tb.Failed() {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(t.head, " | "), strings.Repeat("---|", len(t.head)))
	for _, name := range slices.Sorted(maps.Keys(t.cells)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.Join(t.cells[name], " | "))
	}
	documents.Lock()
	defer documents.Unlock()
	const document = "../../../deploy/docs/clients.md" // from testdata
	raw, err := os.ReadFile("testdata/" + document)
	if err != nil {
		tb.Fatal(err)
	}
	form := regexp.MustCompile(`(?s)(<!-- ` + section + ` -->\n).*?(<!-- end -->)`)
	if !form.Match(raw) {
		tb.Fatalf("deploy/docs/clients.md has no section %s", section)
	}
	golden.Check(tb, document, form.ReplaceAll(raw, []byte("${1}"+strings.ReplaceAll(b.String(), "$", "$$")+"${2}")))
}
