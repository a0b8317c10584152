// Package scripts makes scripts with source maps of a stated size, for benchmarks and tests.
package scripts

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Large is how many modules a map of about 5 MB has.
const Large = 400

// functionsPerModule is how many functions each module has.
const functionsPerModule = 100

// Bundled makes a script of one line and its map, of so many modules: of each 100 functions with 500
// mappings.
func Bundled(modules int) (script, mapped []byte) {
	const perModule = functionsPerModule
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
