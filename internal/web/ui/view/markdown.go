package view

import (
	"strings"
	"time"
	"unicode/utf8"
)

// MarkdownFacts are the facts about the issue in its Markdown.
type MarkdownFacts struct {
	Type, Value, Culprit      string
	ShortID, Project, Link    string
	Events, Users             int64
	FirstSeen, LastSeen       time.Time
	FirstRelease, LastRelease string
}

// markdownFrames is how many frames of each exception Markdown has.
const markdownFrames = 12

// Markdown writes an issue with one of its events for a ticket or chat: title, facts, the frames of
// the application, request and tags. Values come in code spans and blocks, so that nothing of an
// event is taken for markup.
func Markdown(f MarkdownFacts, v *Event) string {
	var sb strings.Builder
	title := f.Type
	if f.Value != "" {
		title += ": " + cutText(oneLine(f.Value), 200)
	}
	sb.WriteString("## " + escapeMarkdown(title) + "\n\n")
	fact := func(name, value string) {
		if value != "" {
			sb.WriteString("- **" + name + ":** " + value + "\n")
		}
	}
	fact("Issue", "["+f.ShortID+"]("+f.Link+") in "+escapeMarkdown(f.Project))
	fact("Where", codeSpan(f.Culprit))
	fact("Seen", Long(f.Events)+" "+plural(int(f.Events), "time", "times")+" by "+Long(f.Users)+" "+plural(int(f.Users), "user", "users"))
	fact("First", seenIn(f.FirstSeen, f.FirstRelease))
	fact("Last", seenIn(f.LastSeen, f.LastRelease))
	fact("Event", codeSpan(v.ID)+" at "+v.Timestamp.UTC().Format("2006-01-02 15:04:05 UTC"))
	fact("Environment", codeSpan(v.Environment))
	for i := range v.Exceptions {
		x := &v.Exceptions[i]
		sb.WriteString("\n### " + escapeMarkdown(first(x.Type, "Error")) + "\n\n")
		if x.Value != "" {
			sb.WriteString(codeBlock(x.Value) + "\n")
		}
		if text := framesText(&x.Stack, markdownFrames); text != "" {
			sb.WriteString(codeBlock(text))
		}
	}
	if v.Message != nil {
		sb.WriteString("\n### Message\n\n" + codeBlock(v.Message.Text))
	}
	if text := framesText(&v.Stack, markdownFrames); text != "" {
		sb.WriteString("\n### Stack\n\n" + codeBlock(text))
	}
	if r := v.Request; r != nil && r.URL != "" {
		sb.WriteString("\n### Request\n\n" + codeBlock(first(r.Method, "GET")+" "+r.URL))
	}
	if len(v.Tags) > 0 {
		sb.WriteString("\n### Tags\n\n")
		for _, t := range v.Tags {
			sb.WriteString("- " + codeSpan(t.Key) + " " + codeSpan(t.Value) + "\n")
		}
	}
	return sb.String()
}

func seenIn(t time.Time, release string) string {
	s := t.UTC().Format("2006-01-02 15:04 UTC")
	if release != "" {
		s += " in " + codeSpan(release)
	}
	return s
}

// framesText is the application's own frames, newest first; all of them when none is its own.
func framesText(s *Stack, limit int) string {
	var sb strings.Builder
	n, others := 0, 0
	for _, r := range s.Runs {
		for i := range r.Frames {
			f := &r.Frames[i]
			if s.InApp > 0 && !f.InApp {
				others++
				continue
			}
			if n++; n > limit {
				continue
			}
			sb.WriteString("at " + f.Function)
			if w := f.Where(); w != "" {
				sb.WriteString(" (" + w + ")")
			}
			sb.WriteByte('\n')
		}
	}
	if n > limit {
		sb.WriteString("… " + counted(n-limit, "older frame", "older frames") + "\n")
	}
	if others > 0 && n > 0 {
		sb.WriteString("(" + counted(others, "frame", "frames") + " of libraries left out)\n")
	}
	return sb.String()
}

// TraceText is every trace of the event as text: of its exceptions, else its own, else of the thread.
func TraceText(v *Event) string {
	if len(v.Exceptions) > 0 {
		return StackText(v.Exceptions)
	}
	s := v.Stack
	for i := range v.Threads {
		if s.Frames == 0 && v.Threads[i].Shown {
			s = v.Threads[i].Stack
		}
	}
	text := "Stack"
	if v.Message != nil {
		text = v.Message.Text
	}
	return StackText([]Exception{{Type: text, Stack: s}})
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// escapeMarkdown keeps text from being taken for markup.
func escapeMarkdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "#", `\#`, "|", `\|`, "\n", " ").Replace(s)
}

// codeSpan is text in a code span whose fence is longer than any in it.
func codeSpan(s string) string {
	if s = oneLine(s); s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s)+1)
	if s[0] == '`' || s[len(s)-1] == '`' {
		s = " " + s + " "
	}
	return fence + s + fence
}

func codeBlock(s string) string {
	fence := strings.Repeat("`", max(3, longestRun(s)+1))
	s = strings.TrimRight(cutText(s, 4000), "\n")
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return fence + "\n" + s + "\n" + fence + "\n"
}

// longestRun is the length of the longest run of backquotes.
func longestRun(s string) (longest int) {
	n := 0
	for _, r := range s {
		if r != '`' {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}
