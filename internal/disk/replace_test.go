package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/disk"
)

func TestAReplacedFileIsWholeAndPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "password")
	for _, want := range []string{"first, which is longer", "second"} {
		if err := disk.Replace(name, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("want %q, got %q, %v", want, got, err)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("something is left over: %v, %v", list, err)
	}
	if err := disk.Replace(filepath.Join(dir, "nowhere", "password"), nil); err == nil {
		t.Error("a folder that is missing was written to")
	}
}
