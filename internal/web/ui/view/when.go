package view

import (
	"strconv"
	"strings"
	"time"
)

// Ago tells how long before now t was, in the largest whole unit: "3 min".
func Ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < -time.Minute:
		return "in the future"
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	case d < 60*24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + " d"
	case d < 2*365*24*time.Hour:
		return strconv.Itoa(int(d/(30*24*time.Hour))) + " mo"
	}
	return strconv.Itoa(int(d/(365*24*time.Hour))) + " y"
}

// AgoWords is Ago with its "ago" where that makes sense.
func AgoWords(now, t time.Time) string {
	if now.Sub(t) < -time.Minute {
		return "in " + Ago(t, now)
	}
	s := Ago(now, t)
	switch s {
	case "now":
		return "just now"
	case "never":
		return s
	}
	return s + " ago"
}

// exact is t to the second in the reader's zone, which is named.
func (l Look) exact(t time.Time) string {
	return t.In(l.zone()).Format("2006-01-02 15:04:05 MST")
}

// fine is t to the millisecond in the reader's zone.
func (l Look) fine(t time.Time) string {
	return t.In(l.zone()).Format("2006-01-02 15:04:05.000 MST")
}

// clock is the time of day of t to the millisecond.
func (l Look) clock(t time.Time) string { return t.In(l.zone()).Format("15:04:05.000") }

// stamp is the machine's form for the datetime attribute.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// offset is how long before or after end t was: "−3.2 s".
func offset(end, t time.Time) string {
	d := t.Sub(end)
	sign := "+"
	if d <= 0 {
		sign, d = "−", -d
	}
	switch {
	case d == 0:
		return "0 s"
	case d < time.Second:
		return sign + strconv.Itoa(int(d.Milliseconds())) + " ms"
	case d < time.Minute:
		return sign + strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return sign + strconv.Itoa(int(d/time.Minute)) + " min " + strconv.Itoa(int(d/time.Second)%60) + " s"
	}
	return sign + strconv.FormatFloat(d.Hours(), 'f', 1, 64) + " h"
}

// Short writes a count in at most four characters and a unit: 998, 12.4k, 3.1M.
func Short(n int64) string {
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10)
	case n < 1_000_000:
		return scaled(n, 1000, "k")
	case n < 1_000_000_000:
		return scaled(n, 1_000_000, "M")
	}
	return scaled(n, 1_000_000_000, "G")
}

// scaled cuts, so that 999,999 is not shown as a million.
func scaled(n, unit int64, suffix string) string {
	tenths := n * 10 / unit
	if tenths >= 1000 {
		return strconv.FormatInt(tenths/10, 10) + suffix
	}
	return strconv.FormatInt(tenths/10, 10) + "." + strconv.FormatInt(tenths%10, 10) + suffix
}

// Long writes a count in full with thin grouping: 12,431.
func Long(n int64) string {
	s := strconv.FormatInt(n, 10)
	head := len(s) % 3
	if n < 0 || len(s) <= 3 {
		return s
	}
	var sb strings.Builder
	sb.WriteString(s[:head])
	for i := head; i < len(s); i += 3 {
		if sb.Len() > 0 {
			sb.WriteByte(',')
		}
		sb.WriteString(s[i : i+3])
	}
	return sb.String()
}

// percent is part of whole for people.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "0 %"
	}
	p := float64(part) * 100 / float64(whole)
	switch {
	case p > 0 && p < 1:
		return "<1 %"
	case p > 99 && part < whole:
		return "99 %"
	}
	return strconv.Itoa(int(p+0.5)) + " %"
}

// plural is one or many by n.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// counted is n with its noun.
func counted(n int, one, many string) string {
	return Long(int64(n)) + " " + plural(n, one, many)
}

// sized is a number of bytes for people: 612 bytes, 4.2 KiB, 31 MiB.
func sized(n int64) string {
	switch {
	case n < 1<<10:
		return counted(int(n), "byte", "bytes")
	case n < 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KiB"
	case n < 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	}
	return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GiB"
}
