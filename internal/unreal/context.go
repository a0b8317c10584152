package unreal

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
)

// Report is what the engine says of a crash: texts by the name of their element. Elements without a
// text are left out.
type Report struct {
	Runtime map[string]string // RuntimeProperties, such as "UserName" and "Misc.OSVersionMajor"
	Engine  map[string]string // EngineData
	Game    map[string]string // GameData, which the game sets
}

const (
	maxContext    = 4 << 20   // bytes of the document
	maxProperties = 1000      // of one section
	maxProperty   = 256 << 10 // bytes of one text; the whole of an event can be in one
	maxDepth      = 32
)

var errContext = errors.New("the engine's description of the crash cannot be read")

// ReadContext reads the file CrashContext.runtime-xml. What stands before a fault in the document is
// kept: err is nil when there is anything.
// Rule: getsentry/symbolic symbolic-unreal/src/context.rs
func ReadContext(b []byte) (Report, error) {
	r := Report{Runtime: map[string]string{}, Engine: map[string]string{}, Game: map[string]string{}}
	if len(b) > maxContext {
		return r, errContext
	}
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	dec.Strict = false
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	sections := map[string]map[string]string{"RuntimeProperties": r.Runtime, "EngineData": r.Engine, "GameData": r.Game}
	var open []string
	var text strings.Builder
	for {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			if open = append(open, t.Name.Local); len(open) > maxDepth {
				return r, errContext
			}
			text.Reset()
		case xml.CharData:
			if text.Len()+len(t) <= maxProperty {
				text.Write(t)
			}
		case xml.EndElement:
			if len(open) == 3 && sections[open[1]] != nil && len(sections[open[1]]) < maxProperties {
				if s := strings.TrimSpace(text.String()); s != "" {
					sections[open[1]][open[2]] = strings.ToValidUTF8(s, "\uFFFD")
				}
			}
			text.Reset()
			open = open[:max(len(open)-1, 0)]
		}
	}
	if len(r.Runtime)+len(r.Engine)+len(r.Game) == 0 {
		return r, errContext
	}
	return r, nil
}

// Line is one line of the engine's log.
type Line struct {
	At        time.Time // UTC; zero when the line has no time
	Component string    // such as "LogStats"
	Message   string
}

// logLine is a line with its time, the number of the frame, and the component that wrote it.
var logLine = regexp.MustCompile(`^\[(\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d):(\d{1,3})\]\[ *\d+\](?:([A-Za-z0-9_]{1,64}): )?(.*)$`)

const (
	maxLog     = 1 << 20 // bytes of a log that are looked at, at its end
	maxMessage = 8 << 10
)

// LastLines reads the last lines of a log, oldest first, at most as many as limit. A line that begins
// without a time belongs to the one before it.
func LastLines(log []byte, limit int) []Line {
	log = log[max(len(log)-maxLog, 0):]
	var lines []Line
	for text := range strings.Lines(strings.ToValidUTF8(string(log), "\uFFFD")) {
		text = strings.TrimRight(text, "\r\n")
		m := logLine.FindStringSubmatch(text)
		if m == nil {
			if n := len(lines) - 1; n >= 0 && text != "" && len(lines[n].Message) < maxMessage {
				lines[n].Message += "\n" + text
			}
			continue
		}
		at, err := time.Parse("2006.01.02-15.04.05.000", m[1]+"."+("000" + m[2])[len(m[2]):])
		if err != nil {
			at = time.Time{}
		}
		lines = append(lines, Line{At: at, Component: m[3], Message: m[4]})
	}
	return lines[max(len(lines)-limit, 0):]
}
