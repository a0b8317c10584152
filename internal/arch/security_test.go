package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const securityTable = "../../deploy/docs/security.md"

var (
	securityRow = regexp.MustCompile(`^\| (S\d\d) \|([^|]+)\|([^|]+)\|([^|]+)\|$`)
	checkName   = regexp.MustCompile("`([a-z/0-9]+)\\.((?:Test|Fuzz)\\w+)`")
)

// TestEverySecurityRuleHasACheck holds deploy/docs/security.md to the tests: each of its rules names
// at least one that exists, or says why there is none.
func TestEverySecurityRuleHasACheck(t *testing.T) {
	t.Parallel()
	argued := 0
	rows := numberedRows(t, securityTable, securityRow, "S", 54)
	for _, row := range rows {
		checks := checkName.FindAllStringSubmatch(row[4], -1)
		if len(checks) == 0 {
			if !strings.Contains(row[4], "No check: ") {
				t.Errorf("%s names no test, nor why there is none", row[1])
			}
			argued++
		}
		for _, c := range checks {
			if !testExists(t, c[1], c[2]) {
				t.Errorf("%s: there is no %s in internal/%s", row[1], c[2], c[1])
			}
		}
	}
	t.Logf("%d rules, %d without a test", len(rows), argued)
}

// numberedRows reads the rows of a table of a document, as row takes them apart, and wants them numbered from
// 1 to count behind the letter.
func numberedRows(t *testing.T, file string, row *regexp.Regexp, letter string, count int) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		parts := row.FindStringSubmatch(strings.TrimSpace(line))
		if parts == nil {
			continue
		}
		rows = append(rows, parts)
		if want := fmt.Sprintf("%s%02d", letter, len(rows)); parts[1] != want {
			t.Errorf("want %s next, got %s", want, parts[1])
		}
	}
	if len(rows) != count {
		t.Errorf("the table ends with %s%02d, not %s%02d", letter, len(rows), letter, count)
	}
	return rows
}

// testExists reports whether a package has a test function.
func testExists(t *testing.T, pkg, name string) bool {
	t.Helper()
	return testsContain(t, pkg, "func "+name+"(")
}

// testsContain reports whether a text stands in the tests of a package.
func testsContain(t *testing.T, pkg, want string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), want) {
			return true
		}
	}
	return false
}

// sources calls see for every file of the product's own code.
func sources(t *testing.T, see func(path string, f *ast.File, at func(ast.Node) token.Position)) {
	t.Helper()
	set := token.NewFileSet()
	n := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		skip := strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") || !strings.HasSuffix(path, ".go")
		for _, aside := range []string{"tools", "testkit", "chaos", "bench", "e2e"} {
			skip = skip || strings.HasPrefix(path, "../"+aside+"/")
		}
		if d.IsDir() || skip {
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		n++
		see(strings.TrimPrefix(path, "../"), f, func(node ast.Node) token.Position { return set.Position(node.Pos()) })
		return nil
	})
	if err != nil || n < 300 {
		t.Fatalf("%d files, %v", n, err)
	}
}

// calls lists the calls of a file as package.Name.
func calls(f *ast.File, see func(name string, call *ast.CallExpr)) {
	ast.Inspect(f, func(node ast.Node) bool {
		if c, ok := node.(*ast.CallExpr); ok {
			if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok {
					see(pkg.Name+"."+sel.Sel.Name, c)
				}
			}
		}
		return true
	})
}

// TestOnlyTheGuardedDiallerGoesOut: services reach addresses that users give through package outbound
// alone, and fetch nothing else. What runs at the operator's own command may speak to its server.
func TestOnlyTheGuardedDiallerGoesOut(t *testing.T) {
	t.Parallel()
	sources(t, func(path string, f *ast.File, at func(ast.Node) token.Position) {
		if strings.HasPrefix(path, "outbound/") || strings.HasPrefix(path, "operator/") {
			return
		}
		ast.Inspect(f, func(node ast.Node) bool {
			sel, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Name != "http" {
				return true
			}
			switch sel.Sel.Name {
			case "Get", "Post", "PostForm", "Head", "DefaultClient", "DefaultTransport":
				t.Errorf("%s: http.%s goes out past package outbound", at(node), sel.Sel.Name)
			}
			return true
		})
	})
}

// TestSignaturesAreComparedInConstantTime: whoever makes a MAC to check one compares it with
// hmac.Equal, and no code compares what is called a signature, a MAC or a token's hash by ==.
func TestSignaturesAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`(?i)(signature|hmac|^mac$|^sig$)`)
	sources(t, func(_ string, f *ast.File, at func(ast.Node) token.Position) {
		ast.Inspect(f, func(node ast.Node) bool {
			b, ok := node.(*ast.BinaryExpr)
			if !ok || b.Op != token.EQL && b.Op != token.NEQ {
				return true
			}
			for _, side := range []ast.Expr{b.X, b.Y} {
				other := b.X
				if side == b.X {
					other = b.Y
				}
				lit, constant := other.(*ast.BasicLit)
				id, named := side.(*ast.Ident)
				if named && secret.MatchString(id.Name) && !(constant && (lit.Value == `""` || lit.Value == "0")) && !isNil(other) {
					t.Errorf("%s: %s is compared with %s", at(node), id.Name, b.Op)
				}
			}
			return true
		})
		calls(f, func(name string, c *ast.CallExpr) {
			if name != "bytes.Equal" && name != "bytes.Compare" {
				return
			}
			for _, arg := range c.Args {
				if id, ok := arg.(*ast.Ident); ok && secret.MatchString(id.Name) {
					t.Errorf("%s: %s is compared with %s", at(c), id.Name, name)
				}
			}
		})
	})
}

func isNil(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "nil"
}

// TestPatternsOfUsersRunInLinearTime: no engine but the standard library's, which never backtracks.
func TestPatternsOfUsersRunInLinearTime(t *testing.T) {
	t.Parallel()
	engines := regexp.MustCompile(`regexp2|pcre|oniguruma|rure|hyperscan`)
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if found := engines.FindString(string(text)); found != "" {
		t.Errorf("go.mod has %s", found)
	}
}

// TestStatementsAreConstants: what the database is told is a constant, or made of constants in the
// one place that composes searches; values travel as parameters.
func TestStatementsAreConstants(t *testing.T) {
	t.Parallel()
	found := 0
	sources(t, func(path string, f *ast.File, at func(ast.Node) token.Position) {
		ast.Inspect(f, func(node ast.Node) bool {
			c, ok := node.(*ast.CallExpr)
			if !ok || len(c.Args) < 2 {
				return true
			}
			sel, ok := c.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Query" && sel.Sel.Name != "QueryRow" && sel.Sel.Name != "Exec" {
				return true
			}
			found++
			switch sql := c.Args[1].(type) {
			case *ast.BasicLit:
				if !strings.HasPrefix(path, "postgres/") && !strings.HasPrefix(path, "embedded/") && sql.Kind == token.STRING {
					t.Errorf("%s: SQL outside package postgres", at(c))
				}
			case *ast.CallExpr:
				if path == "postgres/partition.go" { // names of partitions are made of tables and days
					return true
				}
				if fn, ok := sql.Fun.(*ast.SelectorExpr); ok {
					if pkg, ok := fn.X.(*ast.Ident); ok && pkg.Name == "fmt" {
						t.Errorf("%s: SQL made by fmt.%s", at(c), fn.Sel.Name)
					}
				}
			}
			return true
		})
	})
	if found < 100 {
		t.Errorf("only %d statements were looked at", found)
	}
}
