package grouping

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// views is a component in each view; a nil one does not exist.
type views [viewCount]*node

// chain builds the component of the exceptions that count: a single one as it is, more of them
// wrapped together. An exception without stack trace is only in the app view.
func (r *run) chain() (v views) {
	list := r.countingExceptions()
	if len(list) == 1 {
		return r.exception(list[0])
	}
	r.mainException(list)
	var last views
	for _, e := range list {
		for i, n := range r.exception(e) {
			switch {
			case n == nil:
				continue
			case v[i] == nil:
				v[i] = r.arena.node(kindChain)
				v[i].first = n
			default:
				last[i].next = n
			}
			last[i] = n
			v[i].on = v[i].on || n.on
		}
	}
	return v
}

// exception builds the components of one exception. The result is kept, as the choice among grouped
// exceptions compares them first.
func (r *run) exception(e *event.Exception) (v views) {
	if built, ok := r.built[e]; ok {
		return built
	}
	t := r.stacktrace(e.Stacktrace)
	ns := nsErrorOf(e)
	for i := range v {
		if view(i) == viewSystem && e.Stacktrace == nil {
			continue
		}
		trace := t[i]
		errType := r.text(kindType, e.Type)
		if m := e.Mechanism; m != nil && m.Synthetic != nil && *m.Synthetic {
			errType.off(hintSynthetic)
		}
		nsError := r.nsError(ns)
		value := r.exceptionValue(e, trace, nsError)
		if r.cfg.valueFirst {
			v[i] = r.arena.parent(kindException, errType, value, nsError, trace)
		} else {
			v[i] = r.arena.parent(kindException, trace, errType, nsError, value)
		}
	}
	if r.built != nil {
		r.built[e] = v
	}
	return v
}

// exceptionValue builds the component of the message, which only counts when nothing better does.
// Then alone, unless trees are to be shown or compared, is it normalized.
func (r *run) exceptionValue(e *event.Exception, trace, nsError *node) *node {
	var code hintCode
	switch {
	case trace.on:
		code = hintStacktraceWins
	case nsError != nil && nsError.on:
		code = hintNSErrorWins
	}
	if code != hintNone && !r.complete {
		n := r.text(kindValue, e.Value)
		n.off(code)
		return n
	}
	n := r.message(kindValue, e.Value)
	if code != hintNone && n.on {
		n.off(code)
	}
	return n
}

// text builds a component of a text that may be missing.
func (r *run) text(k kind, s string) *node {
	if s == "" {
		return r.arena.node(k)
	}
	return r.arena.value(k, s)
}

// message builds a component of a normalized text.
func (r *run) message(k kind, s string) *node {
	clean, changed := r.normalized(s)
	n := r.text(k, clean)
	if changed && clean != "" {
		n.code = hintStripped
	}
	return n
}

// normalized normalizes a text once per event: both views of an exception need the same.
func (r *run) normalized(s string) (string, bool) {
	if s != r.lastText.in || s == "" {
		out, changed := normalizeMessage(s)
		r.lastText = normalText{in: s, out: out, changed: changed}
	}
	return r.lastText.out, r.lastText.changed
}

// normalText is a text before and after normalization.
type normalText struct {
	in, out string
	changed bool
}

// nsError is an error of Apple's frameworks: what identifies it is a domain and a number.
type nsError struct {
	Domain string      `json:"domain"`
	Code   json.Number `json:"code"`
}

func nsErrorOf(e *event.Exception) *nsError {
	if e.Mechanism == nil {
		return nil
	}
	raw := e.Mechanism.Meta.Get("ns_error")
	if len(raw) == 0 {
		return nil
	}
	var ns *nsError
	if err := json.Unmarshal(raw, &ns); err != nil {
		return nil
	}
	return ns
}

func (r *run) nsError(ns *nsError) *node {
	if ns == nil {
		return nil
	}
	domain := r.arena.value(kindLeaf, either(ns.Domain, missingPart))
	code := r.arena.value(kindLeaf, either(string(ns.Code), missingPart))
	_, err := strconv.Atoi(code.text)
	code.number = err == nil
	return r.arena.parent(kindNSError, domain, code)
}

// missingPart stands for what an exception does not tell where Sentry writes so: the domain or code
// of an NSError, and a type where types are sorted.
const missingPart = "None"

// The messages with which React reports that it recovered; the cause says more.
var reactRecovered = [...]string{
	"There was an error during concurrent rendering but React was able to recover by instead synchronously rendering the entire root.",
	"There was an error while hydrating but React was able to recover by instead client rendering from the nearest Suspense boundary.",
}

// mainException finds the exception that says most about the event when the outermost one is only
// a wrapper made by a framework.
func (r *run) mainException(list []*event.Exception) {
	if len(list) < 2 {
		return
	}
	first, last := list[0], list[len(list)-1]
	if first.Type == "Error" && last.Mechanism != nil && last.Mechanism.Source == "cause" {
		for _, text := range reactRecovered {
			if first.Value == text && last.Mechanism.ExceptionID != nil {
				r.ev.MainExceptionID = last.Mechanism.ExceptionID
				return
			}
		}
	}
	for _, e := range list {
		if !rxWrapper(e) {
			continue
		}
		for _, inner := range list {
			if m := inner.Mechanism; m != nil && m.ParentID != nil && m.ExceptionID != nil &&
				*m.ParentID == *e.Mechanism.ExceptionID {
				r.ev.MainExceptionID = m.ExceptionID
				return
			}
		}
		return
	}
}

// rxWrapper reports whether RxJava made the exception to carry another one.
func rxWrapper(e *event.Exception) bool {
	if e.Module != "io.reactivex.rxjava3.exceptions" || e.Mechanism == nil ||
		e.Mechanism.Type != "UncaughtExceptionHandler" || e.Mechanism.ExceptionID == nil {
		return false
	}
	return strings.Contains(" OnErrorNotImplementedException CompositeException UndeliverableException ", " "+e.Type+" ")
}
