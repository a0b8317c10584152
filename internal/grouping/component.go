package grouping

import (
	"strconv"
	"strings"
)

// kind says what a component stands for.
type kind uint8

const (
	kindLeaf kind = iota
	kindApp
	kindSystem
	kindDefault
	kindChain
	kindException
	kindType
	kindValue
	kindNSError
	kindStacktrace
	kindFrame
	kindModule
	kindFilename
	kindFunction
	kindContextLine
	kindThreads
	kindTemplate
	kindCSP
	kindHPKP
	kindExpectStaple
	kindExpectCT
	kindSalt
	kindURI
	kindHostname
	kindMessage
)

var kindNames = [...]string{
	kindLeaf: "", kindApp: "app", kindSystem: "system", kindDefault: "default",
	kindChain: "chained_exception", kindException: "exception", kindType: "type",
	kindValue: "value", kindNSError: "ns_error", kindStacktrace: "stacktrace", kindFrame: "frame",
	kindModule: "module", kindFilename: "filename", kindFunction: "function",
	kindContextLine: "context_line", kindThreads: "threads", kindTemplate: "template",
	kindCSP: "csp", kindHPKP: "hpkp", kindExpectStaple: "expect_staple",
	kindExpectCT: "expect_ct", kindSalt: "salt", kindURI: "uri", kindHostname: "hostname",
	kindMessage: "message",
}

// node is one component: a leaf with a text, or a list of children. Whether it contributes is
// settled when it is built and may be changed later; that leaves its parent and children alone.
type node struct {
	kind   kind
	on     bool // contributes
	number bool // a leaf that stands for an integer
	text   string
	hint   hint
	first  *node
	next   *node // sibling
}

// off makes the node not contribute and says why.
func (n *node) off(code hintCode) {
	n.on = false
	n.hint = hint{code: code}
}

// empty reports whether the node has neither text nor children.
func (n *node) empty() bool { return n.kind != kindLeaf && n.first == nil }

// appendLeaves appends the contributing leaves below n to b, without separators.
func (n *node) appendLeaves(b []byte) []byte {
	if !n.on {
		return b
	}
	if n.kind == kindLeaf {
		return append(b, n.text...)
	}
	for c := n.first; c != nil; c = c.next {
		b = c.appendLeaves(b)
	}
	return b
}

// leaves returns the texts that appendLeaves joins.
func (n *node) leaves(list []string) []string {
	if !n.on {
		return list
	}
	if n.kind == kindLeaf {
		return append(list, n.text)
	}
	for c := n.first; c != nil; c = c.next {
		list = c.leaves(list)
	}
	return list
}

// contains reports whether a node of kind k is reachable through contributing nodes.
func (n *node) contains(k kind) bool {
	if !n.on {
		return false
	}
	if n.kind == k {
		return true
	}
	for c := n.first; c != nil; c = c.next {
		if c.contains(k) {
			return true
		}
	}
	return false
}

// sameTree reports whether two trees agree in values, flags and hints.
func sameTree(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.kind != b.kind || a.on != b.on || a.text != b.text || a.hint != b.hint {
		return false
	}
	x, y := a.first, b.first
	for x != nil && y != nil {
		if !sameTree(x, y) {
			return false
		}
		x, y = x.next, y.next
	}
	return x == nil && y == nil
}

// arena hands out nodes that live until reset. Their addresses stay valid as it grows.
type arena struct {
	blocks [][]node
	block  int // index of the block in use
}

const (
	arenaBlock = 256
	arenaKeep  = 16 // blocks kept by reset
)

func (a *arena) node(k kind) *node {
	if a.block < len(a.blocks) && len(a.blocks[a.block]) == arenaBlock {
		a.block++
	}
	if a.block == len(a.blocks) {
		a.blocks = append(a.blocks, make([]node, 0, arenaBlock))
	}
	b := append(a.blocks[a.block], node{kind: k})
	a.blocks[a.block] = b
	return &b[len(b)-1]
}

// reset forgets all nodes, their texts included.
func (a *arena) reset() {
	if len(a.blocks) > arenaKeep {
		a.blocks = a.blocks[:arenaKeep:arenaKeep]
	}
	for i, b := range a.blocks {
		clear(b)
		a.blocks[i] = b[:0]
	}
	a.block = 0
}

// value builds a component whose only value is text.
func (a *arena) value(k kind, text string) *node {
	n, leaf := a.node(k), a.node(kindLeaf)
	leaf.text, leaf.on = text, true
	n.first, n.on = leaf, true
	return n
}

// parent builds a component of children, skipping nil ones. It contributes when one of them does.
// A child may belong to several parents when it is the first of the same chain in all of them.
func (a *arena) parent(k kind, children ...*node) *node {
	n := a.node(k)
	var last *node
	for _, c := range children {
		if c == nil {
			continue
		}
		if last == nil {
			n.first = c
		} else {
			last.next = c
		}
		last = c
		n.on = n.on || c.on
	}
	return n
}

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
	hintThreadNoStack
	hintThreadChoice // n, m, k
	hintMinFrames    // n
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
	hintThreadNoStack:     "ignored because thread has no stacktrace",
	hintPrecedence:        "",
}

// hint is the reason for the state of a component, put into words only when someone asks.
type hint struct {
	code    hintCode
	n, m, k int32
	frame   frameNote
	text    string
}

// String is the hint in words, empty when there is none.
func (h hint) String() string {
	switch h.code {
	case hintThreadChoice:
		return "ignored because it contains neither a single thread nor multiple threads with exactly " +
			"one crashing or current thread; instead contains " + strconv.Itoa(int(h.n)) + " crashing, " +
			strconv.Itoa(int(h.m)) + " current, and " + strconv.Itoa(int(h.k)) + " total threads"
	case hintMinFrames:
		return "discarded because only " + frameCount(h.n) + " contributing, fewer than min-frames asks for"
	case hintFrame:
		return h.frame.String()
	case hintPrecedence:
		return h.text
	}
	return hintTexts[h.code]
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
// switched it on or off. text is for the parts that are not frames' own.
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
		contribution = "ignored because only " + frameCount(f.maxOnly) + " considered"
	case f.groupBy != nil && f.on:
		contribution = "un-ignored by " + f.groupBy.origin() + " stacktrace rule (" + f.groupBy.groupText + ")"
	case f.groupBy != nil:
		contribution = "ignored by " + f.groupBy.origin() + " stacktrace rule (" + f.groupBy.groupText + ")"
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
