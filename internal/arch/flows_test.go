package arch

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const flowTable = "../../deploy/docs/flows.md"

// flows is how many flows the pages are held to.
const flows = 32

var (
	flowRow   = regexp.MustCompile(`^\| (B\d\d) \|([^|]+)\|([^|]*)\|([^|]*)\|$`)
	flowCheck = regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`(?: \\*([^*]+)\\*)?")
)

// TestEveryFlowHasItsTests holds deploy/docs/flows.md to the tests: each flow names tests, and parts of
// tests, that exist, or says what it waits for.
func TestEveryFlowHasItsTests(t *testing.T) {
	t.Parallel()
	rows, states := numberedRows(t, flowTable, flowRow, "B", flows), map[string]int{}
	for _, row := range rows {
		checks := flowCheck.FindAllStringSubmatch(row[3], -1)
		state, why, _ := strings.Cut(strings.TrimSpace(row[4]), ": ")
		if state == "" {
			state = "checked"
		}
		if len(checks) == 0 && (state != "later" || why == "") {
			t.Errorf("%s names no test, nor what it waits for", row[1])
		}
		for _, c := range checks {
			if !testExists(t, c[1], c[2]) || c[3] != "" && !partExists(t, c[1], c[3]) {
				t.Errorf("%s: there is no %s %s in internal/%s", row[1], c[2], c[3], c[1])
				state = "FAIL"
			}
		}
		states[state]++
		t.Logf("%s  %-8s %s  %s", row[1], state, strings.TrimSpace(row[2]), why)
	}
	t.Logf("%d flows: %d checked, %d open in part, %d later", len(rows), states["checked"], states["open"], states["later"])
}

// partExists reports whether a package has a test with a part of this name.
func partExists(t *testing.T, pkg, name string) bool {
	t.Helper()
	return testsContain(t, pkg, fmt.Sprintf("t.Run(%q,", name))
}
