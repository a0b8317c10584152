package sourcemap_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/sourcemap"
	"github.com/tocsin-dev/tocsin/internal/testkit/scripts"
)

func BenchmarkParse(b *testing.B) {
	_, mapped := scripts.Bundled(scripts.Large)
	b.SetBytes(int64(len(mapped)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sourcemap.Parse(mapped); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	script, _ := scripts.Bundled(scripts.Large)
	b.SetBytes(int64(len(script)))
	b.ReportAllocs()
	for b.Loop() {
		sourcemap.Scan(script)
	}
}
