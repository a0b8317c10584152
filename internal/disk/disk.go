// Package disk tells how much room is left where files are kept.
package disk

import (
	"fmt"
	"syscall"
)

// Room is the space of the file system that a folder is on, in bytes.
type Room struct {
	Free  int64 // that a program without privileges may use
	Total int64
}

// Percent is the share of the space that is free, 0 to 100.
func (r Room) Percent() int { return int(r.Free * 100 / max(r.Total, 1)) }

// At measures the file system that dir is on.
func At(dir string) (Room, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return Room{}, fmt.Errorf("measure the disk of %s: %w", dir, err)
	}
	block := int64(st.Bsize)
	return Room{Free: int64(st.Bavail) * block, Total: int64(st.Blocks) * block}, nil
}
