package postgres

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// runner is the account that the server programs run as. The programs refuse to run as root.
type runner struct {
	name       string
	credential *syscall.Credential // nil: as ourselves
}

// pickRunner chooses the account: ourselves, or for root the first of postgres and nobody.
func pickRunner() (runner, error) {
	if os.Geteuid() != 0 {
		return runner{}, nil
	}
	for _, name := range [...]string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return runner{name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return runner{}, fault.New(fault.Unavailable,
		"PostgreSQL does not run as root and there is no user postgres or nobody; start tocsin as another user")
}

// own gives dir and everything in it to the runner.
func (r runner) own(dir string) error {
	if r.credential == nil {
		return nil
	}
	uid, gid := int(r.credential.Uid), int(r.credential.Gid)
	if info, err := os.Stat(dir); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == r.credential.Uid {
			return nil
		}
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// reachable reports, as a failure that says what to do, a parent of dir that the runner cannot
// enter.
func (r runner) reachable(dir string) error {
	if r.credential == nil {
		return nil
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !r.mayEnter(info.Mode(), st.Uid, st.Gid) {
			return fault.New(fault.Denied,
				"user %s, which PostgreSQL runs as because we are root, cannot enter %s; choose another --data directory, run \"chmod o+x %s\", or start tocsin as another user",
				r.name, parent, parent)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

func (r runner) mayEnter(mode fs.FileMode, uid, gid uint32) bool {
	switch {
	case uid == r.credential.Uid:
		return mode&0o100 != 0
	case gid == r.credential.Gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}
