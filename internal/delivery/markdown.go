package delivery

import "strings"

// Markdown writes text so that no Markdown of chats makes anything of it: marks are escaped, and
// what calls people (@everyone, <!here>) is broken by a character that shows as nothing.
func Markdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\', '*', '_', '~', '`', '|', '[', ']', '(', ')', '#', '>', '<', '!':
			b.WriteByte('\\')
		case '@':
			b.WriteString("@\u2060")
			continue
		}
		b.WriteRune(r)
	}
	return breakSchemes(b.String())
}

// breakSchemes keeps chats from making links of texts that others wrote.
func breakSchemes(s string) string {
	return strings.NewReplacer("://", ":\u2060//", "www.", "www\u2060.").Replace(s)
}

// Fence is text for a block of code: it cannot end the block.
func Fence(s string) string { return strings.ReplaceAll(s, "```", "'''") }
