package sourcemap_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

// large makes a script of one line and its map, which has about 5 MB: 400 modules, 200,000 mappings.
func large() (script, mapped []byte) {
	const modules, perModule = 400, 100
	var code, mappings strings.Builder
	var sources, contents, names []string
	lastColumn, lastSource, lastLine, lastFrom, lastName := 0, 0, 0, 0, 0
	digits := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	put := func(v int) {
		if v <<= 1; v < 0 {
			v = -v | 1
		}
		for ; v >= 32; v >>= 5 {
			mappings.WriteByte(digits[v&31|32])
		}
		mappings.WriteByte(digits[v])
	}
	mark := func(source, line, from, name int) {
		if mappings.Len() > 0 {
			mappings.WriteByte(',')
		}
		put(code.Len() - lastColumn)
		put(source - lastSource)
		put(line - lastLine)
		put(from - lastFrom)
		put(name - lastName)
		lastColumn, lastSource, lastLine, lastFrom, lastName = code.Len(), source, line, from, name
	}
	for m := range modules {
		sources = append(sources, fmt.Sprintf("webpack://shop/./src/module%d/index.ts", m))
		var text strings.Builder
		for i := range perModule {
			name := len(names)
			names = append(names, fmt.Sprintf("calculate%dOf%d", i, m))
			fmt.Fprintf(&text, "export function calculate%dOf%d(basket: Basket, rate: number): number {\n  // rounds to the next unit\n  return Math.round(basket.total * rate * %d);\n}\n", i, m, i)
			code.WriteString("function ")
			mark(m, 4*i, 16, name)
			code.WriteString("a")
			mark(m, 4*i, 40, name)
			code.WriteString("(e,t){return ")
			mark(m, 4*i+2, 9, name)
			code.WriteString("Math.round(")
			mark(m, 4*i+2, 20, name)
			code.WriteString("e.total*t*7)}")
			mark(m, 4*i+3, 0, name)
		}
		contents = append(contents, text.String())
	}
	mapped, err := json.Marshal(map[string]any{"version": 3, "sources": sources, "sourcesContent": contents, "names": names, "mappings": mappings.String()})
	if err != nil {
		panic(err) // texts only
	}
	return []byte(code.String()), mapped
}

func BenchmarkParse(b *testing.B) {
	_, mapped := large()
	b.SetBytes(int64(len(mapped)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sourcemap.Parse(mapped); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	script, _ := large()
	b.SetBytes(int64(len(script)))
	b.ReportAllocs()
	for b.Loop() {
		sourcemap.Scan(script)
	}
}
