package ui_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"
)

// TestExportsRunNoFormulas: a spreadsheet takes what events bring for text.
func TestExportsRunNoFormulas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, text := range []string{`=HYPERLINK(\"https://evil.example\")`, `+1+1`, `-1+1`, `@SUM(A1)`, `\tx`, `\rx`} {
		s.report(`{"platform":"go","release":"=1","transaction":"=2","message":"`+text+`"}`, time.Now())
	}
	s.settle()
	rows, err := csv.NewReader(strings.NewReader(s.signedIn().page("/o/default/issues/csv?query="))).ReadAll()
	if err != nil || len(rows) < 6 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	quoted := 0
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a cell begins with %q: %s", cell[0], cell)
			}
			if strings.HasPrefix(cell, "'") {
				quoted++
			}
		}
	}
	if quoted < 8 {
		t.Errorf("only %d cells were made safe", quoted)
	}
}
