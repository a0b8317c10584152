package grouping

import (
	"strconv"
	"strings"
)

// hintCode numbers the reasons that components carry.
type hintCode uint8

const (
	hintNone hintCode = iota
	hintURLFrame
	hintAnonymousFile
	hintNativeCode
	hintJavassist
	hintBadModule
	hintJavaLambda
	hintReflection
	hintCodegen
	hintModuleWins
	hintRubyBlock
	hintERB
	hintAnonymousFunction
	hintAnonymousClass
	hintLambda
	hintUnknownFunction
	hintTrimmedFunction
	hintSourcemap
	hintLongLine
	hintURLNoFunction
	hintUnknownName
	hintLowQuality
	hintRecursion
	hintLoneFrame
	hintNoFrames
	hintNoContributing
	hintNoInApp
	hintSynthetic
	hintStacktraceWins
	hintNSErrorWins
	hintStripped
	hintSameAsApp
	hintOnlySystemStack
	hintOnlyAppStack
	hintNoViolation
	hintViolationWins
	hintThreadNoStack
	hintThreadChoice // n, m, k
	hintMinFrames    // n, and the rule in the frame note
	hintFrame        // the frame note
	hintPrecedence   // text
)

var hintTexts = [...]string{
	hintURLFrame:          "ignored because frame points to a URL",
	hintAnonymousFile:     "ignored because filename is anonymous",
	hintNativeCode:        "ignored because filename suggests native code",
	hintJavassist:         "cleaned javassist parts",
	hintBadModule:         "ignored bad javascript module",
	hintJavaLambda:        "ignored java lambda",
	hintReflection:        "removed reflection marker",
	hintCodegen:           "removed codegen marker",
	hintModuleWins:        "ignored because module takes precedence",
	hintRubyBlock:         "ruby block",
	hintERB:               "removed generated erb template suffix",
	hintAnonymousFunction: "ignored anonymous function",
	hintAnonymousClass:    "anonymous class method",
	hintLambda:            "ignored lambda function",
	hintUnknownFunction:   "ignored unknown function",
	hintTrimmedFunction:   "trimmed javascript function",
	hintSourcemap:         "ignored because sourcemap used and context line available",
	hintLongLine:          "ignored because line is too long",
	hintURLNoFunction:     "ignored because file path is a URL and function name is missing",
	hintUnknownName:       "ignored unknown function name",
	hintLowQuality:        "ignored low quality javascript frame",
	hintRecursion:         "ignored due to recursion",
	hintLoneFrame:         "ignored single non-URL JavaScript frame",
	hintNoFrames:          "ignored because it contains no frames",
	hintNoContributing:    "ignored because it contains no contributing frames",
	hintNoInApp:           "ignored because it contains no in-app frames",
	hintSynthetic:         "ignored because exception is synthetic",
	hintStacktraceWins:    "ignored because stacktrace takes precedence",
	hintNSErrorWins:       "ignored because ns-error info takes precedence",
	hintStripped:          "stripped event-specific values",
	hintSameAsApp:         "ignored because hash matches app variant",
	hintOnlySystemStack:   "ignored because this variant does not have a contributing stacktrace, but the system variant does",
	hintOnlyAppStack:      "ignored because this variant does not have a contributing stacktrace, but the app variant does",
	hintNoViolation:       "ignored because it is no violation by code of the page itself",
	hintViolationWins:     "ignored because violation takes precedence",
	hintThreadNoStack:     "ignored because thread has no stacktrace",
	hintPrecedence:        "", // the last code, so that there is a text for each
}

// hintDetail is what a hint tells beyond its code.
type hintDetail struct {
	n, m, k int32
	text    string
	frame   frameNote
}

func sameDetail(a, b *hintDetail) bool { return a == b || a != nil && b != nil && *a == *b }

// words is the hint in words.
func (d *hintDetail) words(code hintCode) string {
	switch code {
	case hintThreadChoice:
		return "ignored because it contains neither a single thread nor multiple threads with exactly " +
			"one crashing or current thread; instead contains " + strconv.Itoa(int(d.n)) + " crashing, " +
			strconv.Itoa(int(d.m)) + " current, and " + strconv.Itoa(int(d.k)) + " total threads"
	case hintMinFrames:
		return "discarded because only " + frameCount(d.n) + " contributing, fewer than asked for by " + d.frame.groupBy.describe()
	case hintFrame:
		return d.frame.String()
	}
	return d.text
}

func frameCount(n int32) string {
	if n == 1 {
		return "1 frame is"
	}
	return strconv.Itoa(int(n)) + " frames are"
}

// marking says who decided a frame's in-app flag, as far as it is worth telling.
type marking uint8

const (
	markNone marking = iota
	markDefault
	markClient
	markRule
)

// frameNote is what happened to a frame: who decided whether it is in-app, and which rule
// switched it on or off.
type frameNote struct {
	mark    marking
	inApp   bool
	showApp bool // the app variant's view
	markBy  *rule
	groupBy *rule
	on      bool // what groupBy did
	maxOnly int32
	counted bool // beyond max-frames
	unless  hintCode
	joined  bool // contributes, for the joining word
}

// String joins both halves of the note.
func (f frameNote) String() string {
	contribution := ""
	switch {
	case f.counted:
		contribution = "ignored because only " + frameCount(f.maxOnly) + " considered by " + f.groupBy.describe()
	case f.groupBy != nil && f.on:
		contribution = "un-ignored by " + f.groupBy.describe()
	case f.groupBy != nil:
		contribution = "ignored by " + f.groupBy.describe()
	default:
		contribution = hintTexts[f.unless]
	}
	if !f.showApp {
		return contribution
	}
	mark := f.markText()
	switch {
	case mark == "":
		return contribution
	case contribution == "" || !f.inApp:
		return mark
	case f.joined:
		return mark + " and " + contribution
	}
	return mark + " but " + contribution
}

func (f frameNote) markText() string {
	var b strings.Builder
	switch f.mark {
	case markNone:
		return ""
	case markDefault:
		return "non app frame"
	}
	b.WriteString("marked out of app by ")
	if f.inApp {
		b.Reset()
		b.WriteString("marked in-app by ")
	}
	if f.mark == markClient {
		b.WriteString("the client")
		return b.String()
	}
	b.WriteString(f.markBy.origin() + " stacktrace rule (" + f.markBy.appText + ")")
	return b.String()
}
