package event

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the stored form of e: the protocol's names, timestamps in seconds, remarks as
// the _meta tree. Decode reads it back to the same event.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"version":"7"`...)
	if !e.ID.IsZero() {
		dst = append(comma(dst), `"event_id":"`...)
		dst = append(appendHex(dst, e.ID[:]), '"')
	}
	dst = appendText(dst, "type", string(e.Type))
	dst = appendText(dst, "level", e.Level.String())
	dst = appendText(dst, "platform", e.Platform)
	dst = appendTime(dst, "timestamp", e.Timestamp)
	dst = appendTime(dst, "start_timestamp", e.StartTimestamp)
	dst = appendTime(dst, "received", e.ReceivedAt)
	dst = appendText(dst, "release", e.Release)
	dst = appendText(dst, "dist", e.Dist)
	dst = appendText(dst, "environment", e.Environment)
	dst = appendText(dst, "logger", e.Logger)
	dst = appendText(dst, "server_name", e.ServerName)
	dst = appendText(dst, "transaction", e.Transaction)
	if e.TransactionSource != "" || len(e.TransactionInfo) > 0 {
		dst = appendText(append(comma(dst), `"transaction_info":{`...), "source", e.TransactionSource)
		dst = append(appendMembers(dst, e.TransactionInfo), '}')
	}
	dst = appendText(dst, "culprit", e.Culprit)
	dst = appendText(dst, "checksum", e.Checksum)
	if e.Project != 0 {
		dst = strconv.AppendInt(appendName(dst, "project"), e.Project, 10)
	}
	dst = e.appendInterfaces(dst)
	dst = appendPairs(dst, "tags", e.Tags)
	dst = appendObject(dst, "extra", e.Extra)
	dst = appendModules(dst, e.Modules)
	dst = appendTexts(dst, "fingerprint", e.Fingerprint)
	dst = appendText(dst, "grouping_config", e.GroupedBy)
	dst = appendObject(dst, "measurements", e.Measurements)
	dst = appendValue(dst, "spans", e.Spans)
	dst = appendInteger(dst, "main_exception_id", e.MainExceptionID)
	dst = appendMembers(dst, e.Other)
	dst = appendErrors(dst, e.Errors)
	dst = e.Meta.append(dst)
	return append(dst, '}')
}

func (e *Event) appendInterfaces(dst []byte) []byte {
	dst = e.LogEntry.append(dst)
	dst = appendExceptions(dst, e.Exceptions)
	dst = e.Stacktrace.append(dst, "stacktrace")
	dst = appendThreads(dst, e.Threads)
	dst = e.Template.append(dst)
	dst = appendBreadcrumbs(dst, e.Breadcrumbs)
	dst = e.User.append(dst)
	dst = e.Request.append(dst)
	if len(e.Contexts) > 0 {
		dst = append(comma(dst), `"contexts":{`...)
		for i := range e.Contexts {
			dst = append(appendKey(dst, e.Contexts[i].Name), '{')
			dst = append(appendMembers(dst, e.Contexts[i].Data), '}')
		}
		dst = append(dst, '}')
	}
	dst = appendObject(dst, "debug_meta", e.DebugMeta)
	dst = e.SDK.append(dst)
	switch e.Type {
	case TypeCSP, TypeHPKP, TypeExpectCT, TypeExpectStaple:
		dst = appendObject(dst, string(e.Type), e.Security)
	}
	return dst
}

// comma separates the next member from the one before it, if there is one.
func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c == '{' || c == '[' {
		return dst
	}
	return append(dst, ',')
}

// appendName starts a member whose name needs no escape.
func appendName(dst []byte, name string) []byte {
	dst = append(append(comma(dst), '"'), name...)
	return append(dst, '"', ':')
}

// appendKey starts a member with any name.
func appendKey(dst []byte, name string) []byte {
	return append(appendString(comma(dst), name), ':')
}

func appendText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(appendName(dst, name), s)
}

func appendTexts(dst []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for _, s := range list {
		dst = appendString(comma(dst), s)
	}
	return append(dst, ']')
}

func appendPairs(dst []byte, name string, list []Pair) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i := range list {
		dst = appendString(append(comma(dst), '['), list[i].Key)
		dst = append(appendString(append(dst, ','), list[i].Value), ']')
	}
	return append(dst, ']')
}

func appendModules(dst []byte, list []Pair) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, "modules"), '{')
	for i := range list {
		dst = appendString(appendKey(dst, list[i].Key), list[i].Value)
	}
	return append(dst, '}')
}

func appendBool(dst []byte, name string, b *bool) []byte {
	if b == nil {
		return dst
	}
	return strconv.AppendBool(appendName(dst, name), *b)
}

func appendInteger(dst []byte, name string, n *int) []byte {
	if n == nil {
		return dst
	}
	return strconv.AppendInt(appendName(dst, name), int64(*n), 10)
}

// appendPosition appends a line or column number unless it is unknown.
func appendPosition(dst []byte, name string, n int) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(appendName(dst, name), int64(n), 10)
}

func appendValue(dst []byte, name string, v Value) []byte {
	if len(v) == 0 {
		return dst
	}
	return append(appendName(dst, name), v...)
}

func appendObject(dst []byte, name string, o Object) []byte {
	if len(o) == 0 {
		return dst
	}
	return append(appendMembers(append(appendName(dst, name), '{'), o), '}')
}

func appendMembers(dst []byte, o Object) []byte {
	for i := range o {
		dst = appendKey(dst, o[i].Name)
		if len(o[i].Value) == 0 {
			dst = append(dst, "null"...)
			continue
		}
		dst = append(dst, o[i].Value...)
	}
	return dst
}

// appendTime appends a time as seconds since the epoch, to the microsecond.
func appendTime(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return appendSeconds(appendName(dst, name), t.UnixMicro())
}

func appendSeconds(dst []byte, us int64) []byte {
	if us < 0 {
		dst, us = append(dst, '-'), -us
	}
	dst = strconv.AppendInt(dst, us/1e6, 10)
	rest := us % 1e6
	dst = append(dst, '.', '0')
	if rest == 0 {
		return dst
	}
	dst = dst[:len(dst)-1]
	for unit := int64(1e5); rest > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit))
		rest %= unit
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// appendString appends s as a JSON string. NULs are dropped and what is not UTF-8 is replaced.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := asciiEnd(s, 0); i < len(s); i = asciiEnd(s, i) {
		c, size := s[i], 1
		if c >= utf8.RuneSelf {
			var char rune
			if char, size = utf8.DecodeRuneInString(s[i:]); char != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i += size
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch {
	case c == 0:
		return dst
	case c == '"', c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, '\\', 'n')
	case c == '\t':
		return append(dst, '\\', 't')
	case c == '\r':
		return append(dst, '\\', 'r')
	case c < ' ':
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, "\uFFFD"...)
}
