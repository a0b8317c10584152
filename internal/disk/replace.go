package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Replace makes content the whole of the file at name, readable by the owner alone. Once it returned the
// file survives a power cut; before, a crash leaves what was there.
func Replace(name string, content []byte) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return fmt.Errorf("write %s: %w", name, err)
	}
	return SyncFolder(dir)
}

// SyncFolder makes the names of a folder survive a power cut.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
