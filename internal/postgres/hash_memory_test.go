package postgres

import "testing"

// TestHashSetForgetsButNeverInvents fills a set far beyond its space.
func TestHashSetForgetsButNeverInvents(t *testing.T) {
	s := newHashSet(1 << 10)
	kept := 0
	for i := range uint64(10_000) {
		h := mixHashes(i, 1)
		if s.has(h) {
			t.Fatalf("hash %d is there before it was added", i)
		}
		if !s.add(h) || s.add(h) {
			t.Fatalf("hash %d is not there once", i)
		}
	}
	for i := range uint64(10_000) {
		if s.has(mixHashes(i, 1)) {
			kept++
		}
	}
	if kept < 900 || kept > 1<<10 {
		t.Errorf("%d hashes are kept in a space of %d", kept, 1<<10)
	}
}

// TestHashCountsKeepTheLargest counts a few hashes often between many that come once.
func TestHashCountsKeepTheLargest(t *testing.T) {
	c := newHashCounts(1 << 10)
	for round := range uint64(100) {
		for often := range uint64(50) {
			c.add(mixHashes(often, 2))
		}
		for once := range uint64(100) {
			c.add(mixHashes(round*100+once, 3))
		}
	}
	right := 0
	for often := range uint64(50) {
		if c.of(mixHashes(often, 2)) == 100 {
			right++
		}
	}
	if right < 48 { // a few may have met in one place
		t.Errorf("%d of 50 counts are right", right)
	}
	h := mixHashes(1, 4)
	for range 1000 {
		c.add(h)
	}
	if n := c.of(h); n != 255 {
		t.Errorf("a count ends at %d, not at 255", n)
	}
}
