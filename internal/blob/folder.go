package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// folder is a store in a folder of this machine. Nothing outside of it is ever reached.
type folder struct{ root *os.Root }

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "make the folder for files")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "open the folder for files")
	}
	return &folder{root}, nil
}

// Put implements Store. The file is written beside its place, synced, and then moved there.
func (f *folder) Put(_ context.Context, project int64, at time.Time, data []byte) (string, error) {
	key, err := keyOf(project, at, data)
	if err != nil {
		return "", err
	}
	if err := f.write(key, bytes.NewReader(data)); err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "keep a file")
	}
	return key, nil
}

// PutStream implements Store.
func (f *folder) PutStream(_ context.Context, project int64, at time.Time, sum [32]byte, size int64, r io.Reader) (string, error) {
	key := keyOfSum(project, at, sum)
	in, err := newChecked(r, sum, size)
	if err != nil {
		return "", err
	}
	if err := f.write(key, in); err != nil {
		if errors.Is(err, errAnother) {
			return "", errAnother
		}
		return "", fault.Wrap(err, fault.Unavailable, "keep a file")
	}
	return key, nil
}

func (f *folder) write(key string, data io.Reader) error {
	dir := path.Dir(key)
	if _, err := f.root.Stat(key); err == nil {
		return f.sync(dir) // whoever wrote it may not have come as far
	}
	if err := f.makeDir(dir); err != nil {
		return err
	}
	temp := path.Join(dir, rand.Text())
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.root.Rename(temp, key)
	}
	if err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	return f.sync(dir)
}

// makeDir makes a project's folder of a day, durably.
func (f *folder) makeDir(dir string) error {
	if _, err := f.root.Stat(dir); err == nil {
		return nil
	}
	if err := f.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(f.sync(path.Dir(dir)), f.sync("."))
}

func (f *folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open implements Store.
func (f *folder) Open(_ context.Context, key string) (File, error) {
	if !wellFormed.MatchString(key) {
		return nil, errNone
	}
	file, err := f.root.Open(key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNone
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "open a file")
	}
	return file, nil
}

// Delete implements Store.
func (f *folder) Delete(_ context.Context, key string) error {
	if !wellFormed.MatchString(key) {
		return nil
	}
	if err := f.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Unavailable, "remove a file")
	}
	return nil
}

// DeleteBefore implements Store.
func (f *folder) DeleteBefore(ctx context.Context, at time.Time) (int, error) {
	names, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return 0, fault.Wrap(err, fault.Unavailable, "list the days of files")
	}
	days := 0
	for _, n := range names {
		if !expired(n.Name(), at) {
			continue
		}
		if err := errors.Join(ctx.Err(), f.root.RemoveAll(n.Name())); err != nil {
			return days, fault.Wrap(err, fault.Unavailable, "remove a day of files")
		}
		days++
	}
	return days, nil
}
