package postgres_test

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/tools/txtar"

	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// While a release is replaced, its programs work on the schema of the next one. testdata/released has
// every statement of each release. Those of a release
// that is out are never rewritten; a new one adds its own with
//
//	go test ./internal/postgres -run Released -record 0.2.0
var recordRelease = flag.String("record", "", "write down the statements of this release under its name")

// TestReleasedStatementsFitTheSchema prepares what the programs of earlier releases run.
func TestReleasedStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	const root = "testdata/released"
	if *recordRelease != "" {
		all := statements(t)
		var a txtar.Archive
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !strings.HasSuffix(name, "Part") {
				a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(strings.TrimSpace(all[name]) + "\n")})
			}
		}
		if err := os.MkdirAll(root, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, *recordRelease+".txt"), txtar.Format(&a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	files, err := filepath.Glob(root + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no release has its statements written down: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil || len(a.Files) < 40 {
			t.Fatalf("%s: %d statements, %v", file, len(a.Files), err)
		}
		release := strings.TrimSuffix(filepath.Base(file), ".txt")
		for _, f := range a.Files {
			plain, _, err := pgx.NamedArgs{}.RewriteQuery(t.Context(), conn, string(bytes.TrimSpace(f.Data)), nil)
			if err == nil {
				_, err = conn.Prepare(t.Context(), release+f.Name, plain)
			}
			if err != nil {
				t.Errorf("release %s, whose programs run until they are replaced, cannot run %s: %v\n%s", release, f.Name, err, f.Data)
			}
		}
	}
}
