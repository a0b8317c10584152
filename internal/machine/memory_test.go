package machine

import (
	"slices"
	"testing"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	if got := Memory(); got < 256 || got > 64<<20 { // nothing that runs these tests has less
		t.Errorf("this machine has %d MiB", got)
	}
}

func TestLimitFiles(t *testing.T) {
	t.Parallel()
	const two, one = "/sys/fs/cgroup/", "/sys/fs/cgroup/memory/"
	for groups, want := range map[string][]string{
		"0::/\n":                              {two + "memory.max"},
		"0::/system.slice/tocsin.service\n":   {two + "system.slice/tocsin.service/memory.max", two + "system.slice/memory.max", two + "memory.max"},
		"8:pids:/\n4:cpu,memory:/box\n0::/\n": {one + "box/memory.limit_in_bytes", one + "memory.limit_in_bytes", two + "memory.max"},
		"0::/../../elsewhere\n":               {two + "elsewhere/memory.max", two + "memory.max"},
		"":                                    nil, "nonsense\n0:": nil,
	} {
		if got := limitFiles(groups); !slices.Equal(got, want) {
			t.Errorf("%q: want %v, got %v", groups, want, got)
		}
	}
}
