package event

import "slices"

// FailingFrames lists the frames of the stack that the event is about, the failing one first: those
// of the program itself, or all when none of them is. The stack is that of the last exception which
// has one, else the event's own, else that of the thread that crashed.
func (e *Event) FailingFrames() []Frame {
	stack := e.failingStack()
	if stack == nil {
		return nil
	}
	frames := slices.Clone(stack.Frames)
	slices.Reverse(frames)
	inApp := func(f Frame) bool { return f.InApp != nil && *f.InApp }
	if slices.ContainsFunc(frames, inApp) {
		frames = slices.DeleteFunc(frames, func(f Frame) bool { return !inApp(f) })
	}
	return frames
}

func (e *Event) failingStack() *Stacktrace {
	for i := len(e.Exceptions) - 1; i >= 0; i-- {
		if s := e.Exceptions[i].Stacktrace; s != nil && len(s.Frames) > 0 {
			return s
		}
	}
	if e.Stacktrace != nil && len(e.Stacktrace.Frames) > 0 {
		return e.Stacktrace
	}
	for i := range e.Threads {
		t := &e.Threads[i]
		if s := t.Stacktrace; s != nil && len(s.Frames) > 0 && (t.Crashed != nil && *t.Crashed) {
			return s
		}
	}
	return nil
}
