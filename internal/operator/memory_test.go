package operator

import "testing"

func TestMemoryLimitFollowsTheMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		memory, processors int
		want               int64
	}{
		{1024, 1, 200}, {2048, 2, 200}, {4096, 2, 256}, {24 << 10, 2, 400}, {64 << 10, 8, 1600},
	} {
		if got := memoryLimit(c.memory, c.processors); got != c.want {
			t.Errorf("%d MiB, %d processors: want %d, got %d", c.memory, c.processors, c.want, got)
		}
	}
}
