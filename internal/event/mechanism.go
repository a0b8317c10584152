package event

import (
	"strconv"
	"strings"
)

// system is an operating system as far as it decides what a number means.
type system int

const (
	systemUnknown system = iota
	systemLinux
	systemDarwin
	systemWindows
)

// parseSystem reads the name of an operating system.
func parseSystem(name string) system {
	switch strings.ToLower(name) {
	case "linux", "android":
		return systemLinux
	case "ios", "ipados", "watchos", "tvos", "visionos", "macos", "mac os x", "darwin":
		return systemDarwin
	case "windows":
		return systemWindows
	}
	return systemUnknown
}

// system is the operating system of the event: what the debug images were made for, else what the
// context says.
func (e *Event) system() system {
	if info := e.DebugMeta.Get("sdk_info"); info != nil {
		if s := parseSystem(members(info).text("sdk_name")); s != systemUnknown {
			return s
		}
	}
	return parseSystem(e.Context("os").text("name"))
}

// mechanisms gives names to the numbers that operating systems use for signals and errors.
// Whatever it does not understand stays as it was sent.
// Rule: getsentry/relay relay-event-normalization/src/mechanism.rs
func (n *normalizer) mechanisms() {
	for i := range n.Exceptions {
		m := n.Exceptions[i].Mechanism
		if m == nil {
			continue
		}
		if !webAddress(m.HelpLink) {
			path := place{"exception.values", i, "mechanism", -1}.path("help_link")
			n.lost(path, "invalid_data", "expected a web address", m.HelpLink)
			m.HelpLink = ""
		}
		m.modernize()
		if m.Meta != nil {
			m.Meta = nameNumbers(m.Meta, n.system())
		}
	}
}

// modernize moves what the first clients for native code sent to where it is kept now.
// Rule: getsentry/relay relay-event-schema/src/protocol/mechanism.rs (LegacyMechanism)
func (m *Mechanism) modernize() {
	move := func(from, to, oldName, newName string) {
		o := members(m.Other.Get(from))
		if o == nil || m.Meta.index(to) >= 0 {
			return
		}
		for i := range o {
			if o[i].Name == oldName && o.index(newName) < 0 {
				o[i].Name = newName
			}
		}
		m.Meta = m.Meta.with(to, append(appendMembers([]byte{'{'}, o), '}'))
		m.Other = m.Other.without(from)
	}
	move("posix_signal", "signal", "signal", "number")
	move("mach_exception", "mach_exception", "exception_name", "name")
	if address := m.Other.Get("relevant_address"); address != nil && m.Data.index("relevant_address") < 0 {
		m.Data = m.Data.with("relevant_address", address)
		m.Other = m.Other.without("relevant_address")
	}
}

// webAddress reports whether a link may be followed; no link is no harm.
func webAddress(s string) bool {
	return s == "" || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// nameNumbers fills in the names that the parts of a mechanism's meta lack.
func nameNumbers(meta Object, on system) Object {
	meta = named(meta, "errno", "number", "name", func(number int) string { return errorName(number, on) })
	meta = named(meta, "signal", "number", "name", func(number int) string { return signalName(number, on) })
	if on == systemDarwin {
		signal, _ := wholeNumber(members(meta.Get("signal")).Get("number"))
		meta = named(meta, "signal", "code", "code_name", func(code int) string { return signalCodeName(signal, code) })
	}
	return named(meta, "mach_exception", "exception", "name", func(number int) string { return nameAt(machExceptions, number) })
}

// named sets member to of the object part in meta to the name of its number from, unless it has
// one or there is none.
func named(meta Object, part, from, to string, name func(int) string) Object {
	v := meta.Get(part)
	if len(v) == 0 || v[0] != '{' {
		return meta
	}
	o := members(v)
	number, ok := wholeNumber(o.Get(from))
	if old := o.Get(to); !ok || len(old) > 0 && old[0] != 'n' {
		return meta
	}
	text := name(number)
	if text == "" {
		return meta
	}
	return meta.with(part, append(appendMembers([]byte{'{'}, o.withText(to, text)), '}'))
}

// wholeNumber is the number that v writes, as a number or as its digits.
func wholeNumber(v Value) (int, bool) {
	digits := string(v)
	if text, ok := textOf(v); ok {
		digits = text
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// names is a list of names by number, "-" where a number has none.
type names []string

func nameAt(list names, number int) string {
	if number < 0 || number >= len(list) || list[number] == "-" {
		return ""
	}
	return list[number]
}

// errorName is the name of an errno.
func errorName(number int, on system) string {
	switch on {
	case systemLinux:
		return nameAt(linuxErrors, number)
	case systemDarwin:
		return nameAt(darwinErrors, number)
	case systemWindows:
		return nameAt(windowsErrors, number)
	}
	return ""
}

// signalName is the name of a POSIX signal; Windows has none.
func signalName(number int, on system) string {
	switch on {
	case systemLinux:
		return nameAt(linuxSignals, number)
	case systemDarwin:
		return nameAt(darwinSignals, number)
	}
	return ""
}

// signalCodeName is the name of a signal's si_code on Darwin.
func signalCodeName(signal, code int) string {
	return nameAt(darwinSignalCodes[nameAt(darwinSignals, signal)], code)
}
