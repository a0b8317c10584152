package notifier

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// holder names this notifier in the leases it takes. The name is kept in the data folder: one that
// was killed and comes back knows its own leases and need not wait for their end. Where the folder
// is in use by another notifier, or cannot be written, the name is new each time. done gives the
// name up.
func holder(dir string) (name string, done func(), err error) {
	name = rand.Text()
	f, err := os.OpenFile(filepath.Join(dir, "holder"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return name, func() {}, nil
	}
	if err != nil {
		return "", nil, fault.Wrap(err, fault.Internal, "name this notifier")
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return name, func() {}, nil
	}
	kept := make([]byte, 64)
	n, _ := f.ReadAt(kept, 0) // an empty file has no name yet
	if text := strings.TrimSpace(string(kept[:n])); text != "" {
		return text, func() { f.Close() }, nil
	}
	if _, err := f.WriteAt([]byte(name+"\n"), 0); err != nil {
		f.Close()
		return "", nil, fault.Wrap(err, fault.Internal, "name this notifier")
	}
	return name, func() { f.Close() }, nil
}
