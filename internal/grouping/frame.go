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
		n.first.text = javassist.ReplaceAllString(name, javassistClean)
		n.hint.code = hintJavassist
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
			n.first.text, n.on, n.hint = clean, true, hint{code: code}
		}
	}
	return n
}

// contextLine builds the component of the source line, blanks folded.
func (r *run) contextLine(f *event.Frame, fam family) *node {
	line := foldBlanks(*f.ContextLine)
	if line == "" {
		return r.arena.node(kindContextLine)
	}
	n := r.value(kindContextLine, line)
	switch {
	case len(*f.ContextLine) > maxContextLine && utf8.RuneCountInString(*f.ContextLine) > maxContextLine:
		n.off(hintLongLine)
	case fam == familyJavaScript && f.Function == "" && fromURL(f.AbsPath, true):
		n.off(hintURLNoFunction)
	}
	return n
}

// foldBlanks strips the ends and makes every run of whitespace one blank. Text that is so already
// is returned as it is.
func foldBlanks(s string) string {
	tidy, last := true, true
	for i := 0; i < len(s) && tidy; i++ {
		c := s[i]
		blank := c == ' '
		tidy = c < utf8.RuneSelf && c > 0x1f && (!blank || !last)
		last = blank
	}
	if tidy && !last {
		return s
	}
	trimmed := strings.TrimFunc(s, func(r rune) bool { return blankAt(string(r), 0) > 0 })
	return strings.Join(strings.FieldsFunc(trimmed, func(r rune) bool { return blankAt(string(r), 0) > 0 }), " ")
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
			n.first.text, n.hint.code = short, hintTrimmedFunction
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
	name := n.first.text
	if strings.HasPrefix(name, "block ") {
		n.first.text, n.hint.code = "block", hintRubyBlock
		return
	}
	if strings.Contains(name, "__") {
		if clean := erbSuffix.ReplaceAllString(name, ""); clean != name {
			n.first.text, n.hint.code = clean, hintERB
		}
	}
}

func cleanPHP(n *node) {
	const anonymous = "class@anonymous"
	name := n.first.text
	if strings.HasPrefix(name, "[Anonymous") || strings.HasPrefix(name, anonymous+"\x00") {
		n.off(hintAnonymousFunction)
	}
	if !strings.HasPrefix(name, anonymous) {
		return
	}
	if i := strings.LastIndex(name, "::"); i >= 0 {
		n.first.text, n.on, n.hint = name[i+2:], true, hint{code: hintAnonymousClass}
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
