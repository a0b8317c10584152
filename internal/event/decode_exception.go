package event

// wrapper walks a list that clients write as {"values": […]}, as a bare list, or as one object,
// and calls item on each object in it. Nulls are passed over.
// Rule: getsentry/relay relay-event-schema/src/protocol/types.rs (Values)
func (r *reader) wrapper(name string, item func()) {
	r.enter(name)
	defer r.leave()
	switch r.kind() {
	case '[':
		r.enter("values")
		r.list(item)
		r.leave()
	case '{':
		r.wrapped(item)
	default:
		if !r.null() {
			r.invalid("", "a list")
		}
	}
}

// wrapped reads the object forms of wrapper.
func (r *reader) wrapped(item func()) {
	start, found, members := r.i, false, 0
	r.open()
	for r.next('}') {
		members++
		if key := r.key(); key != "values" {
			r.skip(maxDepth)
			continue
		}
		found = true
		r.enter("values")
		switch {
		case r.kind() == '[':
			r.list(item)
		case !r.null():
			r.invalid("", "a list")
		}
		r.leave()
	}
	if !found && members > 0 {
		r.i = start
		r.enter("values")
		item()
		r.leave()
	}
}

// list calls item on each object of the list the reader stands on.
func (r *reader) list(item func()) {
	r.open()
	for r.next(']') {
		if r.kind() == '{' {
			item()
		} else if !r.null() {
			r.invalid("", "an object")
		}
	}
}

// slide makes room in a list of which only the last most entries will be kept.
func slide[T any](list []T, most int) ([]T, int) {
	if len(list) < 2*most {
		return list, 0
	}
	n := copy(list, list[len(list)-most:])
	clear(list[n:])
	return list[:n], most
}

// exceptions reads the exception interface; of too many the last are kept.
func (r *reader) exceptions(name string) []Exception {
	var out []Exception
	total := 0
	r.wrapper(name, func() {
		out, _ = slide(out, maxExceptions)
		out = append(out, Exception{})
		r.enterIndex(total)
		r.exception(&out[len(out)-1])
		r.leave()
		total++
	})
	if over := len(out) - maxExceptions; over > 0 {
		out = out[over:]
	}
	r.renumber(name, "values", total-len(out), total)
	return out
}

func (r *reader) exception(x *Exception) {
	r.open()
	for r.next('}') {
		switch key := r.key(); key {
		case "type":
			x.Type = r.str(key)
		case "value":
			x.Value = r.jsonText(key)
		case "module":
			x.Module = r.str(key)
		case "thread_id":
			x.ThreadID = r.identifier(key)
		case "mechanism":
			x.Mechanism = r.mechanism(key)
		case "stacktrace", "sentry.interfaces.Stacktrace":
			x.Stacktrace = r.stacktrace(key)
		case "raw_stacktrace":
			x.RawStacktrace = r.stacktrace(key)
		default:
			r.other(&x.Other, key)
		}
	}
}

// mechanism reads how an exception was captured; old clients send just its type.
func (r *reader) mechanism(name string) *Mechanism {
	if r.kind() == '"' {
		return &Mechanism{Type: r.text()}
	}
	if r.kind() != '{' {
		if !r.null() {
			r.invalid(name, "an object")
		}
		return nil
	}
	m := new(Mechanism)
	r.enter(name)
	r.open()
	for r.next('}') {
		key := r.key()
		if to := m.textField(key); to != nil {
			*to = r.str(key)
		} else {
			r.mechanismFlag(m, key)
		}
	}
	r.leave()
	return m
}

func (m *Mechanism) textField(key string) *string {
	switch key {
	case "type":
		return &m.Type
	case "description":
		return &m.Description
	case "help_link":
		return &m.HelpLink
	case "source":
		return &m.Source
	}
	return nil
}

func (r *reader) mechanismFlag(m *Mechanism, key string) {
	switch key {
	case "handled":
		m.Handled = r.boolean(key)
	case "synthetic":
		m.Synthetic = r.boolean(key)
	case "is_exception_group":
		m.IsExceptionGroup = r.boolean(key)
	case "exception_id":
		m.ExceptionID = r.integerPointer(key)
	case "parent_id":
		m.ParentID = r.integerPointer(key)
	case "data":
		m.Data = r.rawObject(key)
	case "meta":
		m.Meta = r.rawObject(key)
	default:
		r.other(&m.Other, key)
	}
}

// stacktrace reads a stack trace; nil when it says nothing.
func (r *reader) stacktrace(name string) *Stacktrace {
	if r.kind() != '{' {
		if !r.null() {
			r.invalid(name, "an object")
		}
		return nil
	}
	s := new(Stacktrace)
	members := 0
	r.enter(name)
	r.open()
	for r.next('}') {
		members++
		switch key := r.key(); key {
		case "frames":
			s.Frames = r.frameList(key)
		case "registers":
			s.Registers = r.rawObject(key)
		case "lang":
			s.Lang = r.str(key)
		case "snapshot":
			s.Snapshot = r.boolean(key)
		case "frames_omitted":
			if !r.null() {
				s.FramesOmitted = r.raw(key)
			}
		default:
			r.other(&s.Other, key)
		}
	}
	r.leave()
	if members == 0 {
		return nil
	}
	return s
}

// frameList reads frames; of too many the last are kept.
func (r *reader) frameList(name string) []Frame {
	if r.kind() != '[' {
		if !r.null() {
			r.invalid(name, "a list")
		}
		return nil
	}
	total := 0
	r.frames = r.frames[:0]
	r.enter(name)
	r.list(func() {
		r.frames, _ = slide(r.frames, maxFrames)
		r.frames = append(r.frames, Frame{})
		r.enterIndex(total)
		r.frame(&r.frames[len(r.frames)-1])
		r.leave()
		total++
	})
	r.leave()
	kept := r.frames[max(0, len(r.frames)-maxFrames):]
	kept = kept[max(0, len(kept)-max(0, maxAllFrames-r.calls)):]
	r.renumber(name, "", total-len(kept), total)
	r.calls += len(kept)
	return r.kept.frames.keep(kept)
}

func (r *reader) threads(name string) []Thread {
	var out []Thread
	total := 0
	r.wrapper(name, func() {
		if total++; len(out) == maxThreads {
			r.skip(maxDepth)
			return
		}
		out = append(out, Thread{})
		r.enterIndex(len(out) - 1)
		r.thread(&out[len(out)-1])
		r.leave()
	})
	if total > len(out) {
		r.shortened(name, total)
	}
	return out
}

func (r *reader) thread(t *Thread) {
	r.open()
	for r.next('}') {
		switch key := r.key(); key {
		case "id":
			t.ID = r.identifier(key)
		case "name":
			t.Name = r.str(key)
		case "state":
			t.State = r.str(key)
		case "crashed":
			t.Crashed = r.boolean(key)
		case "current":
			t.Current = r.boolean(key)
		case "main":
			t.Main = r.boolean(key)
		case "held_locks":
			if !r.null() {
				t.HeldLocks = r.raw(key)
			}
		case "stacktrace":
			t.Stacktrace = r.stacktrace(key)
		case "raw_stacktrace":
			t.RawStacktrace = r.stacktrace(key)
		default:
			r.other(&t.Other, key)
		}
	}
}
