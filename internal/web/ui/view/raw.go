package view

import "github.com/tocsin-dev/tocsin/internal/event"

// RawPage is a stored event as it is kept.
type RawPage struct {
	ID       string
	Back     string // address of the event's page
	Download string // address of the JSON
	Bytes    int
	Tree     []Node
}

// Node is one member of a JSON document. The path is what jq and scripts call it.
type Node struct {
	Name, Path string
	Text       string // of a scalar, as JSON
	Kind       string // text, number, word, list, object
	Size       string
	Open       bool
	Items      []Node
	Cut        string // what of it is not drawn
}

// Bounds of the tree of a raw event.
const (
	rawNodes = 20000
	rawDepth = 24
	rawText  = 4000 // characters of one text
	rawOpen  = 1    // levels that are unfolded
)

// NewRaw makes the tree of a stored event.
func NewRaw(payload []byte) []Node {
	left := rawNodes
	return rawItems(event.Value(payload), "", 0, &left)
}

func rawItems(v event.Value, path string, depth int, left *int) []Node {
	if len(v) == 0 || v[0] != '{' && v[0] != '[' {
		return nil
	}
	var list []Node
	members(v, func(name string, item event.Value) {
		if *left--; *left < 0 {
			return
		}
		list = append(list, rawNode(name, joinPath(path, name, v[0] == '['), item, depth, left))
	})
	return list
}

func rawNode(name, path string, v event.Value, depth int, left *int) Node {
	n := Node{Name: name, Path: path}
	switch {
	case len(v) == 0:
		n.Kind, n.Text = "word", "absent"
	case v[0] == '{' || v[0] == '[':
		n.Kind, n.Size, n.Open = "object", entries(v), depth < rawOpen
		if v[0] == '[' {
			n.Kind = "list"
		}
		if depth >= rawDepth || *left <= 0 {
			n.Cut = cutText(compact(v), rawText)
			return n
		}
		n.Items = rawItems(v, path, depth+1, left)
	case v[0] == '"':
		n.Kind, n.Text = "text", cutText(compact(v), rawText)
	case v[0] == 't' || v[0] == 'f' || v[0] == 'n':
		n.Kind, n.Text = "word", string(v)
	default:
		n.Kind, n.Text = "number", cutText(string(v), rawText)
	}
	return n
}

// joinPath is the path of a member: .exception.values[0].type
func joinPath(path, name string, inList bool) string {
	if inList {
		return path + "[" + name + "]"
	}
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < '0' || c > '9' || i == 0) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return path + "[" + compact(quoteJSON(name)) + "]"
		}
	}
	return path + "." + name
}
