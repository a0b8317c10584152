package operator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockFolder makes this process the only one that uses the data folder. The lock ends with the
// process, however it ends.
func lockFolder(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, "tocsin.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			pid, _ := os.ReadFile(name)
			return nil, fmt.Errorf("the data folder %s is in use by another tocsin (process %s); stop it, or give this one its own folder with --data", dir, strings.TrimSpace(string(pid)))
		}
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := errors.Join(f.Truncate(0), write(f, os.Getpid())); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return func() { f.Close() }, nil
}

func write(f *os.File, pid int) error {
	_, err := fmt.Fprintln(f, pid)
	return err
}
