package delivery

import "strings"

// Markdown writes text so that no Markdown of chats makes anything of it: marks are escaped, and
// what calls people (@everyone, <!here>) is broken.
func Markdown(s string) string {
	var b strings.Builder
	for _, r := range BreakCalls(s) {
		switch r {
		case '\\', '*', '_', '~', '`', '|', '[', ']', '(', ')', '#', '>', '<', '!':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return breakSchemes(b.String())
}

// BreakCalls keeps chats from calling people: a character that shows as nothing follows each @ but
// those of versions, such as shop@2.0.1, which people copy.
func BreakCalls(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		if s[i] == '@' && !(i > 0 && isWord(s[i-1]) && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9') {
			b.WriteString("\u2060")
		}
	}
	return b.String()
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// breakSchemes keeps chats from making links of texts that others wrote.
func breakSchemes(s string) string {
	return strings.NewReplacer("://", ":\u2060//", "www.", "www\u2060.").Replace(s)
}

// Fence is text for a block of code: it cannot end the block.
func Fence(s string) string { return strings.ReplaceAll(s, "```", "'''") }
