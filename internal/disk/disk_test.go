package disk_test

import (
	"path/filepath"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/disk"
)

func TestRoomIsMeasured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	room, err := disk.At(dir)
	if err != nil || room.Free <= 0 || room.Free > room.Total || room.Percent() < 0 || room.Percent() > 100 {
		t.Errorf("got %+v %d %%, %v", room, room.Percent(), err)
	}
	if _, err := disk.At(filepath.Join(dir, "absent")); err == nil {
		t.Error("want an error for a folder that is not there")
	}
}
