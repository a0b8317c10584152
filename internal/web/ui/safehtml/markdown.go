// Package safehtml turns what people write into HTML that harms nobody. It alone makes HTML of text.
package safehtml

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/a-h/templ"
	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// markdown reads paragraphs, emphasis, lists, quotes, code, links and bare addresses. HTML in it is
// left out.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Linkify, extension.Strikethrough), goldmark.WithRendererOptions(html.WithHardWraps()))

// policy keeps what the subset needs. Headings would disturb the outline of the page, and images
// would be fetched from elsewhere.
var policy = func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "strong", "em", "del", "ul", "ol", "li", "blockquote", "code", "pre", "hr")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	return p
}()

// maxText bounds what is read, in bytes.
const maxText = 64 << 10

// Markdown is text in the subset of Markdown that comments have, as HTML.
func Markdown(text string) templ.Component {
	var b bytes.Buffer
	if err := markdown.Convert([]byte(text[:min(len(text), maxText)]), &b); err != nil {
		return templ.Raw("<p>" + templ.EscapeString(text) + "</p>")
	}
	return templ.Raw(policy.Sanitize(b.String()))
}

// mention is an @ and a name, at the beginning or after something that is no part of a word: in
// addresses none is.
var mention = regexp.MustCompile(`(?:^|[^\pL\pN._@/+-])@([\pL\pN][\pL\pN._+-]{0,63})`)

// maxMentions is how many names of a text are looked at.
const maxMentions = 100

// Mentions are the names that a text names with an @, in lower case, each once.
func Mentions(text string) (names []string) {
	seen := make(map[string]bool)
	for _, m := range mention.FindAllStringSubmatch(text[:min(len(text), maxText)], maxMentions) {
		name := strings.ToLower(strings.TrimRight(m[1], ".-_+"))
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
