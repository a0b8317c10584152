package postgres

import (
	"io/fs"
	"syscall"
	"testing"
)

func TestWhoMayEnterAFolder(t *testing.T) {
	t.Parallel()
	r := runner{"postgres", &syscall.Credential{Uid: 101, Gid: 104}}
	for _, c := range []struct {
		mode     fs.FileMode
		uid, gid uint32
		want     bool
	}{
		{0o700, 0, 0, false}, {0o755, 0, 0, true}, {0o711, 0, 0, true}, {0o700, 101, 0, true}, {0o071, 101, 104, false},
		{0o710, 0, 104, true}, {0o701, 0, 104, false},
	} {
		if got := r.mayEnter(c.mode, c.uid, c.gid); got != c.want {
			t.Errorf("%v of %d:%d: want %v, got %v", c.mode, c.uid, c.gid, c.want, got)
		}
	}
}
