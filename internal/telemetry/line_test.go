package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestHostileTextsStayOneLine: whatever a text of somebody else's holds, a record is one JSON document
// on one line, so that nobody writes records of their own into the log.
func TestHostileTextsStayOneLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(newHandler(&out, slog.LevelInfo))
	texts := []string{"a\nb", "a\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}", "\x1b[2J\x1b[31mred", "\x00", "\u2028\u2029", "\xff\xfe", `"},{"x":"`, strings.Repeat("x", 10_000)}
	for _, text := range texts {
		log.Warn("a request failed", "err", errors.New(text), "path", text, text, 1)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(texts) {
		t.Fatalf("%d records are %d lines", len(texts), len(lines))
	}
	for i, line := range lines {
		var record struct{ Msg, Level, Path string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg != "a request failed" || record.Level != "WARN" {
			t.Errorf("%q became %q: %v", texts[i], line, err)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }) {
			t.Errorf("%q is written with control characters: %q", texts[i], line)
		}
	}
}
