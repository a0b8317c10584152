package bindings_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/bindings"
)

// TestEveryEdgeHasOneName holds this package and deploy/bindings.yaml to the same edges.
func TestEveryEdgeHasOneName(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "bindings.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || len(lit.Elts) != 1 {
			return true
		}
		var kind ast.Expr = lit.Type
		switch x := kind.(type) {
		case *ast.IndexExpr:
			kind = x.X
		case *ast.IndexListExpr:
			kind = x.X
		}
		sel, ok := kind.(*ast.SelectorExpr)
		value, isPair := lit.Elts[0].(*ast.KeyValueExpr)
		if !ok || !isPair {
			return true
		}
		name, err := strconv.Unquote(value.Value.(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		named[sel.Sel.Name] = append(named[sel.Sel.Name], name)
		return true
	})
	g := bindings.Graph()
	same := func(kind string, declared []string) {
		slices.Sort(declared)
		got := named[kind]
		slices.Sort(got)
		if !slices.Equal(declared, got) {
			t.Errorf("%s: bindings.yaml has %v, the package %v", kind, declared, got)
		}
	}
	same("Queue", names(g.Queues))
	same("Call", names(g.Calls))
	same("Bucket", names(g.Buckets))
	same("External", names(g.External))
}

func names[V any](m map[string]V) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	return out
}
