package machine

import "testing"

func TestMemory(t *testing.T) {
	t.Parallel()
	if got := Memory(); got < 256 || got > 64<<20 { // nothing that runs these tests has less
		t.Errorf("this machine has %d MiB", got)
	}
}
