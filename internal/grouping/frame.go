package grouping

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// maxContextLine is how many characters a source line may have to identify a frame; longer ones
// are minified.
const maxContextLine = 120

// frame builds the component of one frame, the same for all variants: module, filename, function,
// and the source line where the platform has dependable ones.
func (r *run) frame(f *event.Frame, platform string) *node {
	fam := familyOf(platform)
	var context *node
	if usesContextLine(platform) && f.ContextLine != nil && *f.ContextLine != "" {
		context = r.contextLine(f, fam)
	}
	filename := r.filename(f, platform)
	module := r.module(f, platform)
	if module.on && filename.on {
		filename.off(hintModuleWins)
	}
	function := r.function(f, platform, context)
	frame := r.parent(kindFrame, module, filename, function, context)
	if fam == familyJavaScript {
		distrustScriptFrame(f, frame, function)
	}
	return frame
}

func (r *run) filename(f *event.Frame, platform string) *node {
	if f.Filename == "" {
		return r.arena.node(kindFilename)
	}
	name := strings.ToLower(lastSegment(f.Filename))
	n := r.value(kindFilename, name)
	switch {
	case fromURL(f.AbsPath, false):
		n.off(hintURLFrame)
	case name == "<anonymous>":
		n.off(hintAnonymousFile)
	case name == "[native code]":
		n.off(hintNativeCode)
	case platform == "java" && strings.Contains(name, "$$_javassist"):
		n.rewrite(javassist.ReplaceAllString(name, javassistClean), hintJavassist)
	}
	return n
}

func (r *run) module(f *event.Frame, platform string) *node {
	if f.Module == "" {
		return r.arena.node(kindModule)
	}
	n := r.value(kindModule, f.Module)
	switch {
	case platform == "javascript" && strings.Contains(f.Module, "/") && strings.HasSuffix(f.AbsPath, f.Module):
		n.off(hintBadModule)
	case platform == "java":
		if strings.Contains(f.Module, "$$Lambda$") {
			n.off(hintJavaLambda)
		}
		if clean, code := cleanJavaModule(f.Module); code != hintNone {
			n.rewrite(clean, code)
		}
	}
	return n
}

// contextLine builds the component of the source line, blanks folded. A line that is too long to count
// is only folded when trees are to be shown or compared.
func (r *run) contextLine(f *event.Frame, fam family) *node {
	raw := *f.ContextLine
	long := len(raw) > maxContextLine && utf8.RuneCountInString(raw) > maxContextLine
	if long && !r.complete {
		return r.arena.node(kindContextLine)
	}
	line := foldBlanks(raw)
	if line == "" {
		return r.arena.node(kindContextLine)
	}
	n := r.value(kindContextLine, line)
	switch {
	case long:
		n.off(hintLongLine)
	case fam == familyJavaScript && f.Function == "" && fromURL(f.AbsPath, true):
		n.off(hintURLNoFunction)
	}
	return n
}

// foldBlanks strips the ends and makes every run of whitespace one blank. Only text with other
// blanks inside is copied.
func foldBlanks(s string) string {
	s = strings.Trim(s, " ")
	if folded(s) {
		return s
	}
	start := 0
	for n := blankAt(s, start); n > 0; n = blankAt(s, start) {
		start += n
	}
	s = s[start:]
	var b []byte
	end := 0 // of the last character that is no blank
	for i := 0; i < len(s); {
		if c := s[i]; ' ' < c && c < utf8.RuneSelf { // as nearly all are
			if b != nil {
				b = append(b, c)
			}
			i++
			end = i
			continue
		}
		n := blankAt(s, i)
		if n == 0 {
			w := runeWidth(s, i)
			if b != nil {
				b = append(b, s[i:i+w]...)
			}
			i += w
			end = i
			continue
		}
		from := i
		for ; n > 0; n = blankAt(s, i) {
			i += n
		}
		if i == len(s) {
			break
		}
		if b == nil && s[from:i] != " " {
			b = append(make([]byte, 0, len(s)), s[:from]...)
		}
		if b != nil {
			b = append(b, ' ')
		}
	}
	if b != nil {
		return string(b)
	}
	return s[:end]
}

// folded reports whether s, which begins with no blank, is plain text without two in a row, as most
// lines are inside.
func folded(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == ' ' && s[i-1] == ' ' {
			return false
		}
	}
	return true
}

// erbSuffix matches the numbers that Ruby's template compiler appends to method names.
var erbSuffix = regexp.MustCompile(`__[0-9]{4,}_[0-9]{4,}$`)

func (r *run) function(f *event.Frame, platform string, context *node) *node {
	name := groupedFunction(f, platform)
	if name == "" {
		return r.arena.node(kindFunction)
	}
	n := r.value(kindFunction, name)
	switch platform {
	case "ruby":
		cleanRuby(n)
		return n
	case "php":
		cleanPHP(n)
		return n
	case "java":
		if strings.HasPrefix(name, "lambda$") {
			n.off(hintLambda)
		}
		return n
	}
	switch familyOf(platform) {
	case familyNative:
		if name == "<redacted>" || name == "<unknown>" {
			n.off(hintUnknownFunction)
		}
	case familyJavaScript:
		if short := afterDot(name); short != name {
			n.rewrite(short, hintTrimmedFunction)
		}
		if f.Data.Sourcemap != "" && context != nil && context.on {
			n.off(hintSourcemap)
		}
	}
	return n
}

// groupedFunction is the function name that counts: the trimmed one, and for C# the raw one.
func groupedFunction(f *event.Frame, platform string) string {
	if platform == "csharp" {
		if f.RawFunction != "" {
			return f.RawFunction
		}
		return f.Function
	}
	switch {
	case f.Function == "":
		return f.RawFunction
	case f.RawFunction == "":
		return TrimFunction(f.Function, platform)
	}
	return f.Function
}

func cleanRuby(n *node) {
	name := n.text
	if strings.HasPrefix(name, "block ") {
		n.rewrite("block", hintRubyBlock)
		return
	}
	if strings.Contains(name, "__") {
		if clean := erbSuffix.ReplaceAllString(name, ""); clean != name {
			n.rewrite(clean, hintERB)
		}
	}
}

func cleanPHP(n *node) {
	const anonymous = "class@anonymous"
	name := n.text
	if strings.HasPrefix(name, "[Anonymous") || strings.HasPrefix(name, anonymous+"\x00") {
		n.off(hintAnonymousFunction)
	}
	if !strings.HasPrefix(name, anonymous) {
		return
	}
	if i := strings.LastIndex(name, "::"); i >= 0 {
		n.rewrite(name[i+2:], hintAnonymousClass)
	}
}

func afterDot(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// distrustScriptFrame switches off what browsers report without meaning: names of functions that
// have none, and frames of evaluated or native code.
func distrustScriptFrame(f *event.Frame, frame, function *node) {
	name := f.RawFunction
	if name == "" {
		name = f.Function
	}
	name = afterDot(name)
	switch {
	case name == "":
		function.on = false
	case name == "?", name == "<anonymous function>", name == "<anonymous>",
		name == "Anonymous function", strings.HasSuffix(name, "/<"):
		function.off(hintUnknownName)
	}
	switch f.AbsPath {
	case "[native code]", "native code", "eval code", "<anonymous>":
		frame.off(hintLowQuality)
	}
	if name == "eval" {
		frame.off(hintLowQuality)
	}
}
