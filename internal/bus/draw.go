package bus

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Edge is one arrow of the drawn graph.
type Edge struct {
	Kind  string `json:"kind"` // call, queue, bucket, external
	Name  string `json:"name"`
	From  string `json:"from"`
	To    string `json:"to"`
	About string `json:"about,omitempty"`
	Note  string `json:"note,omitempty"` // the policy in a few words
}

// Edges lists every edge in a fixed order: calls, queues, buckets, external, each by name.
func (g *Graph) Edges() []Edge {
	var all []Edge
	for _, name := range sortedKeys(g.Calls) {
		k := g.Calls[name]
		for _, from := range k.Callers {
			all = append(all, Edge{"call", name, from, k.Server, k.About, callNote(k.Timeout, k.MaxRetries)})
		}
	}
	for _, name := range sortedKeys(g.Queues) {
		q := g.Queues[name]
		note := fmt.Sprintf("%d × %d, %d retries, then %s", q.MaxConcurrency, q.MaxBatchSize, q.MaxRetries, q.DeadLetterQueue)
		for _, from := range q.Producers {
			all = append(all, Edge{"queue", name, from, q.Consumer, q.About, note})
		}
	}
	for _, name := range sortedKeys(g.Buckets) {
		b := g.Buckets[name]
		for _, from := range b.Writers {
			for _, to := range b.Watchers {
				all = append(all, Edge{"bucket", name, from, to, b.About, ""})
			}
		}
	}
	for _, name := range sortedKeys(g.External) {
		e := g.External[name]
		for _, from := range e.Callers {
			all = append(all, Edge{"external", name, from, name, e.About, callNote(e.Timeout, e.MaxRetries)})
		}
	}
	return all
}

func callNote(timeout time.Duration, retries int) string {
	return fmt.Sprintf("%s, %d retries", timeout, retries)
}

// nodes lists what edges connect, services first, each once.
func (g *Graph) nodes() (services, others []string) {
	services = sortedKeys(g.Services)
	for _, e := range g.Edges() {
		if e.From == Admin && (len(others) == 0 || others[0] != Admin) {
			others = append([]string{Admin}, others...)
		}
	}
	return services, append(others, sortedKeys(g.External)...)
}

// Mermaid draws the graph as a Mermaid flow chart: queues are thick arrows, calls thin ones,
// buckets dotted.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	services, others := g.nodes()
	for _, s := range services {
		fmt.Fprintf(&b, "  %s[%s]\n", s, s)
	}
	for _, s := range others {
		fmt.Fprintf(&b, "  %s([%s])\n", mermaidID(s), s)
	}
	arrows := map[string]string{"call": "-->", "queue": "==>", "bucket": "-.->", "external": "-->"}
	for _, e := range g.Edges() {
		fmt.Fprintf(&b, "  %s %s|%s %s| %s\n", mermaidID(e.From), arrows[e.Kind], e.Kind, e.Name, mermaidID(e.To))
	}
	return b.String()
}

func mermaidID(name string) string { return strings.ReplaceAll(name, ".", "_") }

// DOT draws the graph for Graphviz.
func (g *Graph) DOT() string {
	var b strings.Builder
	b.WriteString("digraph tocsin {\n  rankdir=LR;\n  node [shape=box];\n")
	services, others := g.nodes()
	for _, s := range services {
		fmt.Fprintf(&b, "  %q;\n", s)
	}
	for _, s := range others {
		fmt.Fprintf(&b, "  %q [shape=ellipse];\n", s)
	}
	styles := map[string]string{"call": "solid", "queue": "bold", "bucket": "dotted", "external": "solid"}
	for _, e := range g.Edges() {
		label := e.Kind + " " + e.Name
		if e.Note != "" {
			label += "\n" + e.Note
		}
		fmt.Fprintf(&b, "  %q -> %q [label=%q, style=%s];\n", e.From, e.To, label, styles[e.Kind])
	}
	b.WriteString("}\n")
	return b.String()
}

// JSON is the graph as indented JSON: services with their hints, and edges.
func (g *Graph) JSON() string {
	type node struct {
		Name     string `json:"name"`
		About    string `json:"about,omitempty"`
		Replicas int    `json:"replicas"`
		Memory   string `json:"memory"`
		CPU      string `json:"cpu"`
	}
	doc := struct {
		Services []node `json:"services"`
		Edges    []Edge `json:"edges"`
	}{Edges: g.Edges()}
	for _, name := range sortedKeys(g.Services) {
		s := g.Services[name]
		doc.Services = append(doc.Services, node{name, s.About, s.Replicas, s.Memory, s.CPU})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // the document holds nothing but strings and numbers
	}
	return string(text) + "\n"
}
