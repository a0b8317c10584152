package ingest

import (
	"fmt"

	"github.com/tocsin-dev/tocsin/internal/minidump"
)

// The types of processing errors about a crash report.
const (
	errorNoCrash = "native_no_crashed_thread" // Rule: getsentry/sentry src/sentry/models/eventerror.py
	errorDamaged = "minidump_damaged"
)

// crashException is what was raised, with the stack of the thread that raised it.
func crashException(d *minidump.Dump) document {
	data := document{"address": fmt.Sprintf("%#x", d.Address)}
	if d.Access != "" {
		data["access"] = string(d.Access)
	}
	value := document{"type": d.Reason(), "value": "Fatal Error: " + d.Detail(),
		"mechanism": document{"type": "minidump", "handled": false, "synthetic": true, "data": data, "meta": crashMeta(d)}}
	if d.Crashed {
		value["thread_id"] = d.Thread
	}
	if t := d.Crashing(); t != nil && len(t.Frames) > 0 {
		value["stacktrace"] = stackDocument(d, t)
	}
	return value
}

// crashMeta is what was raised in the numbers of its system.
func crashMeta(d *minidump.Dump) document {
	switch {
	case !d.Crashed:
		return document{}
	case d.OS == "Linux" || d.OS == "Android":
		return document{"signal": document{"number": d.Code, "code": d.Flags}}
	case d.OS == "macOS" || d.OS == "iOS":
		return document{"mach_exception": document{"exception": d.Code, "code": d.Flags, "subcode": 0}}
	}
	return document{}
}

// crashThreads are the threads of a crash. The stack of the crashed one is the exception's.
func crashThreads(d *minidump.Dump) []any {
	if len(d.List) == 0 && d.Crashed {
		return []any{document{"id": d.Thread, "crashed": true, "current": true}}
	}
	var list []any
	for i := range d.List {
		t := &d.List[i]
		crashed := d.Crashed && t.ID == d.Thread
		thread := document{"id": t.ID, "crashed": crashed, "current": crashed}
		if t.Name != "" {
			thread["name"] = t.Name
		}
		if !crashed && len(t.Frames) > 0 {
			thread["stacktrace"] = stackDocument(d, t)
		}
		list = append(list, thread)
	}
	return list
}

// stackDocument is the stack of a thread as the protocol has it, the outermost call first.
func stackDocument(d *minidump.Dump, t *minidump.Thread) document {
	frames := make([]any, 0, len(t.Frames))
	for i := len(t.Frames) - 1; i >= 0; i-- {
		f := &t.Frames[i]
		frame := document{"instruction_addr": fmt.Sprintf("%#x", f.Address), "trust": string(f.Trust)}
		if f.Module >= 0 {
			m := &d.Modules[f.Module]
			frame["package"], frame["image_addr"] = m.Name, fmt.Sprintf("%#x", m.Base)
		}
		frames = append(frames, frame)
	}
	return document{"frames": frames, "registers": t.Registers}
}

// crashNotes say what is wrong with a crash report, as processing errors of its event.
func crashNotes(d *minidump.Dump) (notes []any) {
	note := func(kind, text string) {
		notes = append(notes, document{"type": kind, "name": "minidump", "value": document{"message": text}})
	}
	switch {
	case d == nil:
		note(errorDamaged, "the attachment is no minidump; it is kept as it came")
	case saysNothing(d):
		note(errorDamaged, "nothing of the minidump can be read; it is kept as it came")
	case d.Damaged > 0:
		note(errorDamaged, fmt.Sprintf("%d streams of the minidump lie outside of it; it may have been cut off on its way", d.Damaged))
	case !d.Crashed:
		note(errorNoCrash, "the minidump names no thread that crashed")
	case d.Crashing() == nil || len(d.Crashing().Frames) == 0:
		note(errorNoCrash, "the registers or the stack of the crashed thread are not in the minidump")
	}
	return notes
}

// saysNothing reports whether nothing of a crash report could be read.
func saysNothing(d *minidump.Dump) bool {
	return d.OS == "" && len(d.Modules) == 0 && len(d.List) == 0 && !d.Crashed
}
