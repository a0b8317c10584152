package golden_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

func TestGoldenFilesAreFoundAndCompared(t *testing.T) {
	t.Parallel()
	golden.Check(t, "a.txt", []byte("first\n"))
	want := map[string][]byte{"a.txt": []byte("first\n"), "b.txt": []byte("second\n")}
	if diff := cmp.Diff(want, golden.Files(t, "testdata/*.txt")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
