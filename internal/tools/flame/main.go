// Command flame draws the output of go tool pprof -traces as a flame graph: the width of a box is
// the share of processor time below it.
//
//	go tool pprof -traces cpu.prof | go run ./flame -title "one event" >flame.svg
package main

import (
	"bufio"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// frame is a function with what it called.
type frame struct {
	name     string
	total    time.Duration
	children map[string]*frame
}

func (f *frame) child(name string) *frame {
	c := f.children[name]
	if c == nil {
		c = &frame{name: name, children: map[string]*frame{}}
		f.children[name] = c
	}
	return c
}

const (
	width  = 1600
	height = 17
	least  = 3 // pixels: what is narrower is left out
)

func main() {
	title := flag.String("title", "", "what the graph shows")
	under := flag.String("under", "", "only stacks through functions whose name contains this, from there on")
	flag.Parse()
	root, err := read(os.Stdin, *under)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	depth := deepest(root)
	fmt.Printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="monospace" font-size="11">`+"\n", width, (depth+3)*height)
	fmt.Printf(`<rect width="100%%" height="100%%" fill="#fff"/><text x="8" y="20" font-size="15">%s</text>`+"\n", html.EscapeString(*title))
	draw(root, 0, width, 2, root.total)
	fmt.Println("</svg>")
}

// read gathers the stacks. A trace begins with a line of dashes; its first line has the time and
// the innermost function.
func read(in io.Reader, under string) (*frame, error) {
	root := &frame{name: "all", children: map[string]*frame{}}
	var stack []string
	var spent time.Duration
	flush := func() {
		if under != "" {
			at := -1
			for i, name := range stack {
				if strings.Contains(name, under) {
					at = i
				}
			}
			if at < 0 {
				stack, spent = nil, 0
				return
			}
			stack = stack[:at+1]
		}
		if spent > 0 {
			f := root
			f.total += spent
			for _, name := range slices.Backward(stack) {
				f = f.child(name)
				f.total += spent
			}
		}
		stack, spent = nil, 0
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	started := false
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "-----") {
			flush()
			started = true
			continue
		}
		fields := strings.Fields(line)
		if !started || len(fields) == 0 {
			continue
		}
		if d, err := time.ParseDuration(fields[0]); err == nil && len(fields) > 1 && spent == 0 {
			spent, fields = d, fields[1:]
		}
		name, _, _ := strings.Cut(fields[0], "[go.shape")
		stack = append(stack, name)
	}
	flush()
	return root, lines.Err()
}

func deepest(f *frame) int {
	most := 0
	for _, c := range f.children {
		most = max(most, deepest(c))
	}
	return most + 1
}

func draw(f *frame, x, w float64, level int, all time.Duration) {
	share := 100 * float64(f.total) / float64(all)
	name := f.name[strings.LastIndexByte(f.name, '/')+1:]
	shown := name
	if room := int(w / 6.8); len(shown) > room {
		shown = shown[:max(room, 0)]
	}
	fmt.Printf(`<g><title>%s %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="#fff"/><text x="%.1f" y="%d">%s</text></g>`+"\n",
		html.EscapeString(f.name), share, x, level*height, w, height-1, color(f.name), x+3, level*height+12, html.EscapeString(shown))
	names := make([]string, 0, len(f.children))
	for name := range f.children {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return int(f.children[b].total/time.Microsecond) - int(f.children[a].total/time.Microsecond)
	})
	for _, name := range names {
		c := f.children[name]
		if part := w * float64(c.total) / float64(f.total); part >= least {
			draw(c, x, part, level+1, all)
			x += part
		}
	}
}

// color tells our own packages from libraries and the runtime.
func color(name string) string {
	switch {
	case strings.Contains(name, "tocsin/"):
		return "#f4a261"
	case strings.Contains(name, "/"):
		return "#a8dadc"
	}
	return "#e9ecef"
}
