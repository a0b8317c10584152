package postgres_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

const (
	module    = "github.com/tocsin-dev/tocsin/"
	storePath = module + "internal/postgres"
)

// source is the code of this repository, read to see which statements each service can run.
type source struct {
	packages map[string]*packages.Package
	uses     map[string][]string // of a declaration of this package: the others that it names
	texts    map[string][]string // and what it says in strings
	methods  map[string][]string // of a type
}

// readSource is the source, which is read once for all tests.
func readSource(t *testing.T) *source {
	t.Helper()
	sourceOnce.Do(func() { sourceRead = loadSource(t) })
	if sourceRead == nil {
		t.Fatal("the code could not be read")
	}
	return sourceRead
}

var (
	sourceOnce sync.Once
	sourceRead *source
)

func loadSource(t *testing.T) *source {
	t.Helper()
	list, err := packages.Load(&packages.Config{Dir: "../..", Mode: packages.NeedName | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo},
		"./cmd/...", "./internal/...")
	if err != nil {
		t.Fatal(err)
	}
	s := &source{packages: map[string]*packages.Package{}, uses: map[string][]string{}, texts: map[string][]string{}, methods: map[string][]string{}}
	for _, p := range list {
		if len(p.Errors) > 0 {
			t.Fatalf("%s: %v", p.PkgPath, p.Errors)
		}
		s.packages[p.PkgPath] = p
	}
	store := s.packages[storePath]
	for _, file := range store.Syntax {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				key := keyOf(store.TypesInfo.Defs[d.Name])
				s.note(store, key, d)
				if owner, _, ok := strings.Cut(key, "."); ok && owner != "Store" {
					s.methods[owner] = append(s.methods[owner], key)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range v.Names {
							s.note(store, name.Name, v)
						}
					}
				}
			}
		}
	}
	return s
}

// keyOf names a declaration of this package: Type.Method for methods.
func keyOf(o types.Object) string {
	if f, ok := o.(*types.Func); ok {
		if recv := f.Signature().Recv(); recv != nil {
			owner := recv.Type()
			if p, ok := owner.(*types.Pointer); ok {
				owner = p.Elem()
			}
			if n, ok := owner.(*types.Named); ok {
				return n.Obj().Name() + "." + f.Name()
			}
		}
	}
	return o.Name()
}

func (s *source) note(p *packages.Package, key string, n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.Ident:
			if o := p.TypesInfo.Uses[x]; o != nil && o.Pkg() != nil && o.Pkg().Path() == storePath {
				s.uses[key] = append(s.uses[key], keyOf(o))
			}
		case *ast.BasicLit:
			if x.Kind == token.STRING {
				if text, err := strconv.Unquote(x.Value); err == nil {
					s.texts[key] = append(s.texts[key], text)
				}
			}
		}
		return true
	})
}

// reached is every declaration of this package that a program can come to.
func (s *source) reached(program string) map[string]bool {
	found, seen := map[string]bool{}, map[string]bool{}
	var enter func(p string)
	var follow func(key string)
	follow = func(key string) {
		if found[key] {
			return
		}
		found[key] = true
		for _, next := range slices.Concat(s.uses[key], s.methods[key]) {
			follow(next)
		}
	}
	enter = func(name string) {
		p := s.packages[name]
		if seen[name] || p == nil || name == storePath {
			return
		}
		seen[name] = true
		for _, o := range p.TypesInfo.Uses {
			if o != nil && o.Pkg() != nil && o.Pkg().Path() == storePath {
				follow(keyOf(o))
			}
		}
		for imp := range p.Imports {
			enter(imp)
		}
	}
	enter(module + "cmd/" + program)
	return found
}

var (
	reading  = regexp.MustCompile(`\b(?:from|join|using)\s+(?:only\s+|lateral\s+)?(\w+)`)
	listed   = regexp.MustCompile(`,\s+(\w+)\s+(?:as\s+)?(\w+)`) // from a x, b y
	adding   = regexp.MustCompile(`\binsert\s+into\s+(\w+)`)
	changing = regexp.MustCompile(`\bupdate\s+(?:only\s+)?(\w+)`)
	removing = regexp.MustCompile(`\bdelete\s+from\s+(?:only\s+)?(\w+)`)
	locking  = regexp.MustCompile(`\bfor\s+(?:no\s+key\s+)?update(?:\s+of\s+(\w+))?`)
	defining = regexp.MustCompile(`\b(?:create|alter|drop)\s+table\b`)
	comment  = regexp.MustCompile(`--[^\n]*`)
)

// needs adds what a piece of SQL does to which tables. It may ask for more than Postgres would, never
// for less: TestServicesRunUnderTheirRoles has Postgres judge.
func needs(service, text string, tables map[string]bool, found map[string]map[string]bool) {
	text = strings.ToLower(comment.ReplaceAllString(text, ""))
	want := func(table, privilege string) {
		if !tables[table] {
			return
		}
		if found[table] == nil {
			found[table] = map[string]bool{}
		}
		found[table][privilege] = true
	}
	for _, m := range reading.FindAllStringSubmatch(text, -1) {
		want(m[1], "select")
	}
	for _, m := range listed.FindAllStringSubmatch(text, -1) {
		if m[2] != "from" { // the last column of a list
			want(m[1], "select")
		}
	}
	for _, m := range locking.FindAllStringSubmatch(text, -1) { // who locks a row must be allowed to change it
		for _, r := range locked(text, m[1]) {
			want(r, "update")
		}
	}
	for _, m := range adding.FindAllStringSubmatch(text, -1) {
		want(m[1], "insert")
		if strings.Contains(text, "on conflict") || strings.Contains(text, "returning") {
			want(m[1], "select")
		}
		if strings.Contains(text, "do update") {
			want(m[1], "update")
		}
	}
	for _, m := range changing.FindAllStringSubmatch(text, -1) {
		want(m[1], "select")
		want(m[1], "update")
	}
	for _, m := range removing.FindAllStringSubmatch(text, -1) {
		want(m[1], "select")
		want(m[1], "delete")
	}
	if service == partitionKeeper && defining.MatchString(text) {
		for _, table := range []string{"events", "event_blocks", "attachments"} {
			want(table, "owns")
		}
	}
}

// locked is the tables whose rows are locked: the one under that alias, or without one all.
func locked(text, alias string) (found []string) {
	if alias != "" {
		reading := regexp.MustCompile(`(\w+)\s+(?:as\s+)?` + alias + `\b`)
		for _, m := range reading.FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		return found
	}
	for _, m := range reading.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// partitionKeeper makes partitions ahead of time, and drops old ones; others find theirs made.
const partitionKeeper = "processor"

// databaseServices are the services that ask the database, and so have a role.
var databaseServices = []string{"notifier", "processor", "web"}

// grantsOf writes down what the statements of each service need.
func grantsOf(s *source, tables map[string]bool) []byte {
	var b bytes.Buffer
	b.WriteString("# What each service may do to each table. Written from the statements that it can run by\n# go test ./internal/postgres -run TestGrants -update\n")
	for _, service := range databaseServices {
		found := map[string]map[string]bool{"schema_versions": {"select": true}} // a service waits for its schema
		for key := range s.reached(service) {
			for _, text := range s.texts[key] {
				needs(service, text, tables, found)
			}
		}
		for _, table := range slices.Sorted(maps.Keys(found)) {
			fmt.Fprintf(&b, "%s %s %s\n", path.Base(service), table, strings.Join(slices.Sorted(maps.Keys(found[table])), " "))
		}
	}
	return b.Bytes()
}
