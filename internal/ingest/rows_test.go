package ingest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// provenRow is a run of lines of the protocol's conformance table and the test that proves it, or
// why none does.
type provenRow struct {
	from, to int
	where    string // directory below internal
	test     string
	open     string // why there is no test
}

// conformanceRows is the whole table.
var conformanceRows = []provenRow{
	{1, 10, "ingest", "TestConformanceStore", ""},
	{11, 21, "ingest", "TestConformanceAuth", ""},
	{22, 25, "ingest", "TestConformanceCORS", ""},
	{26, 26, "ingest", "TestConformanceEncodings", ""},
	{27, 27, "ingest", "TestConformanceAuth", ""},
	{28, 28, "ingest", "TestConformanceBodyLimit", ""},
	{29, 29, "ingest", "TestLargeBodiesCannotKeepSmallOnesOut", ""},
	{30, 42, "ingest", "TestConformanceParsing", ""},
	{43, 43, "ingest", "TestConformanceLimits", ""},
	{44, 44, "ingest", "TestConformanceParsing", ""},
	{45, 45, "ingest", "TestConformanceClockDrift", ""},
	{46, 51, "event", "TestRowsAboutExceptionsLevelsAndTimes", ""},
	{52, 60, "event", "TestRowsAboutTagsAndNames", ""},
	{61, 67, "event", "TestRowsAboutMessagesAndLimits", ""},
	{68, 77, "event", "TestRowsAboutUsersRequestsAndContexts", ""},
	{78, 78, "ingest", "TestConformanceItems", ""},
	{79, 86, "scrub", "TestConformance", ""},
	{87, 96, "filter", "TestConformance", ""},
	{97, 98, "ingest", "TestKeyRateLimit", ""},
	{99, 99, "ingest", "TestRow99", ""},
	{100, 100, "ingest", "TestRow100", ""},
	{101, 102, "ingest", "TestConformanceAttachments", ""},
	{103, 105, "ingest", "TestConformanceMinidumps", ""},
	{106, 106, "ingest", "TestConformanceBadMinidumps", ""},
	{107, 107, "ingest", "TestConformanceMinidumps", ""},
	{108, 110, "ingest", "TestSecurityReports", ""},
	{111, 112, "ingest", "TestConformanceCron", ""},
	{113, 113, "ingest", "TestCheckInsAreRead", ""},
	{114, 114, "ingest", "TestConformanceCron", ""},
	{115, 116, "ingest", "TestSessionsAreRead", ""},
	{117, 117, "ingest", "TestConformanceItems", ""},
	{118, 118, "ingest", "TestSessionsAreRead", ""},
	{119, 119, "ingest", "TestConformanceReports", ""},
	{120, 120, "ingest", "TestConformanceFeedback", ""},
	{121, 121, "ingest", "TestConformanceItems", ""},
	{122, 123, "ingest", "TestConformanceOTLP", ""},
	{124, 124, "ingest", "TestConformanceLoader", ""},
}

// TestEveryConformanceRowHasAProof: the table has no gap that is not argued, and the tests it names
// are there and speak of their rows.
func TestEveryConformanceRowHasAProof(t *testing.T) {
	t.Parallel()
	next := 1
	for _, r := range conformanceRows {
		if r.from != next || r.to < r.from {
			t.Errorf("want row %d next, got %d to %d", next, r.from, r.to)
		}
		next = r.to + 1
		if r.open != "" {
			t.Logf("rows %d to %d are open: %s", r.from, r.to, r.open)
			continue
		}
		source := sourceOf(t, r.where, r.test)
		for n := r.from; n <= r.to; n++ {
			if source != "" && !speaksOf(source, n) {
				t.Errorf("%s: %s does not name row %d", r.where, r.test, n)
			}
		}
	}
	if next != 125 {
		t.Errorf("the table ends before row %d", next)
	}
}

// sourceOf is the test file of a package that has a test.
func sourceOf(t *testing.T, where, test string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", where, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "func "+test+"(t *testing.T)") {
			return string(b)
		}
	}
	t.Errorf("%s has no %s", where, test)
	return ""
}

var rowRange = regexp.MustCompile(`rows? (\d+) to (\d+)`)

// speaksOf reports whether a source names a row: at the start of a text, or in a comment by itself
// or within a range.
func speaksOf(source string, row int) bool {
	n := strconv.Itoa(row)
	if regexp.MustCompile(`"(row )?` + n + `[ ":]|[Rr]ows? [0-9, and]*\b` + n + `\b`).MatchString(source) {
		return true
	}
	for _, m := range rowRange.FindAllStringSubmatch(source, -1) {
		from, _ := strconv.Atoi(m[1]) // digits, by the pattern
		to, _ := strconv.Atoi(m[2])
		if from <= row && row <= to {
			return true
		}
	}
	return false
}
