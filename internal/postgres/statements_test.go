package postgres_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// statements returns the sql… constants of the package by name, put together from their parts.
func statements(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]ast.Expr)
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if file.Name.Name != "postgres" {
			continue // tests have constants of their own
		}
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if i < len(v.Values) {
						values[name.Name] = v.Values[i]
					}
				}
			}
		}
	}
	found := make(map[string]string)
	for name, expr := range values {
		if strings.HasPrefix(name, "sql") {
			found[name] = text(t, expr, values)
		}
	}
	return found
}

func text(t *testing.T, expr ast.Expr, values map[string]ast.Expr) string {
	t.Helper()
	switch e := expr.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case *ast.BinaryExpr:
		return text(t, e.X, values) + text(t, e.Y, values)
	case *ast.Ident:
		return text(t, values[e.Name], values)
	}
	t.Fatalf("a statement is made from a %T", expr)
	return ""
}

// TestEveryStatementFitsTheSchema prepares each one. Fragments, whose names end in Part, are
// prepared as parts of the statements that hold them.
func TestEveryStatementFitsTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := pgx.Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	all := statements(t)
	if len(all) < 40 {
		t.Errorf("want every statement of the package, found %d", len(all))
	}
	for name, sql := range all {
		if strings.HasSuffix(name, "Part") {
			continue
		}
		plain, _, err := pgx.NamedArgs{}.RewriteQuery(t.Context(), conn, sql, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := conn.Prepare(t.Context(), name, plain); err != nil {
			t.Errorf("%s: %v\n%s", name, err, sql)
		}
	}
}
