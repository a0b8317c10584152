package symbol

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxPasted bounds a line of a stack trace that somebody asks about, in bytes.
const maxPasted = 4096

var pastedFrame = regexp.MustCompile(`^\s*(?:at\s+)?(?:(.*?)\s*[(@])?\s*(\S.*?):(\d{1,9})(?::(\d{1,9}))?\)?\s*$`)

// ParseFrame reads one line of a stack trace as browsers write it, or an address with line and
// column. fault.Invalid: it is neither.
func ParseFrame(text string) (f event.Frame, err error) {
	m := pastedFrame.FindStringSubmatch(text[:min(len(text), maxPasted)])
	if m == nil {
		return f, fault.New(fault.Invalid, "Paste one line of a stack trace, such as \"at add (https://shop.example.org/app.js:1:405)\".")
	}
	f.Function, f.AbsPath = m[1], m[2]
	f.Lineno, _ = strconv.Atoi(m[3])
	f.Colno, _ = strconv.Atoi(m[4]) // 0 when there is none
	return f, nil
}

// Question is a frame of a script that somebody asks about.
type Question struct {
	Project       int64
	Frame         event.Frame
	Release, Dist string
	DebugID       string // empty: the event names none
	To            artifact.Place
}

// Check says which map a frame would be resolved by, or why by none, and the frame as it is then:
// nil when it is not resolved. fault.Invalid: the frame names no file, or the debug id is none.
func (s *Service) Check(ctx context.Context, q Question) (Diagnosis, *event.Frame, error) {
	if strings.TrimSpace(q.Frame.AbsPath) == "" {
		return Diagnosis{}, nil, fault.New(fault.Invalid, "Name the frame, or url with line and column.")
	}
	ev := &event.Event{Project: q.Project, Platform: "javascript", Release: q.Release, Dist: q.Dist, Stacktrace: &event.Stacktrace{Frames: []event.Frame{q.Frame}}}
	if q.DebugID != "" {
		id, isID := artifact.ParseDebugID(q.DebugID)
		if !isID {
			return Diagnosis{}, nil, fault.New(fault.Invalid, "A debug id has 32 hexadecimal digits.")
		}
		ev.DebugMeta = ScriptImage(q.Frame.AbsPath, id)
	}
	before, err := s.Diagnose(ctx, ev, q.To) // says what was found; afterwards the frame is another one
	if err != nil {
		return Diagnosis{}, nil, err
	}
	s.Refresh(ctx, ev)
	if f := &ev.Stacktrace.Frames[0]; artifact.IsResolved(f) {
		return before[0], f, nil
	}
	return before[0], nil, nil
}
