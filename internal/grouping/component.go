package grouping

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
	kindViolation
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
	kindExpectCT: "expect_ct", kindSalt: "salt", kindViolation: "violation", kindURI: "uri", kindHostname: "hostname",
	kindMessage: "message",
}

// node is one component: a text or a list of children, or nothing. Whether it contributes is
// settled when it is built and may be changed later; that leaves its parent and children alone.
type node struct {
	kind   kind
	on     bool // contributes
	leaf   bool // text is its value
	number bool // the text stands for an integer
	code   hintCode
	text   string
	detail *hintDetail
	first  *node
	next   *node // sibling
}

// off makes the node not contribute and says why.
func (n *node) off(code hintCode) { n.on, n.code, n.detail = false, code, nil }

// explain makes a hint with detail the reason for the state of the node.
func (n *node) explain(code hintCode, d hintDetail) { n.code, n.detail = code, &d }

// rewrite replaces the text of a leaf and makes it contribute.
func (n *node) rewrite(text string, code hintCode) { n.text, n.on, n.code = text, true, code }

// hint is the reason for the state of the node in words, empty when there is none.
func (n *node) hint() string {
	if n.detail != nil {
		return n.detail.words(n.code)
	}
	return hintTexts[n.code]
}

// appendLeaves appends the contributing leaves below n to b, without separators.
func (n *node) appendLeaves(b []byte) []byte {
	if !n.on {
		return b
	}
	if n.leaf {
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
	if n.leaf {
		return append(list, n.text)
	}
	for c := n.first; c != nil; c = c.next {
		list = c.leaves(list)
	}
	return list
}

// contains reports whether a node of kind k is below n, reachable through contributing nodes. Whether
// n contributes does not matter.
func (n *node) contains(k kind) bool {
	for c := n.first; c != nil; c = c.next {
		if c.on && (c.kind == k || c.contains(k)) {
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
	if a.kind != b.kind || a.on != b.on || a.text != b.text || a.code != b.code || !sameDetail(a.detail, b.detail) {
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
	blocks []*[arenaBlock]node
	used   int // nodes handed out; the others are zero
}

const (
	arenaBlock = 256
	arenaKeep  = 16 // blocks kept by reset
)

func (a *arena) node(k kind) *node {
	block := a.used / arenaBlock
	if block == len(a.blocks) {
		a.blocks = append(a.blocks, new([arenaBlock]node))
	}
	n := &a.blocks[block][a.used%arenaBlock]
	n.kind = k
	a.used++
	return n
}

// reset forgets all nodes, their texts included.
func (a *arena) reset() {
	if len(a.blocks) > arenaKeep {
		a.used = min(a.used, arenaKeep*arenaBlock)
		clear(a.blocks[arenaKeep:])
		a.blocks = a.blocks[:arenaKeep]
	}
	for i := 0; i*arenaBlock < a.used; i++ {
		clear(a.blocks[i][:min(arenaBlock, a.used-i*arenaBlock)])
	}
	a.used = 0
}

// value builds a component whose only value is text.
func (a *arena) value(k kind, text string) *node {
	n := a.node(k)
	n.text, n.leaf, n.on = text, true, true
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
