package postgres

import (
	"bytes"
	"math"
	"strconv"
	"testing"
)

// statedError is by how much a count of users may be off: three standard errors of the sketch.
const statedError = 3 * 0.0081

func TestUsersAreCountedWithinTheStatedError(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 10, 1000, 1_000_000} {
		whole, halves := newSketch(), [2]userSketch{newSketch(), newSketch()}
		for i := range n {
			user := uint64(userHash("id:" + strconv.Itoa(i)))
			whole.InsertHash(user)
			whole.InsertHash(user)
			halves[i%2].InsertHash(user)
		}
		halves[0].join(readSketch(halves[1].stored()))
		read := readSketch(whole.stored())
		for what, sk := range map[string]userSketch{"counted": whole, "stored and read": read, "joined": halves[0]} {
			off := math.Abs(float64(sk.Estimate())-float64(n)) / math.Max(float64(n), 1)
			t.Logf("%d users, %s: %d (%.2f %% off, stated %.2f %%), %d bytes", n, what, sk.Estimate(), 100*off, 100*statedError, len(sk.stored()))
			if off > statedError {
				t.Errorf("%d users, %s: %d", n, what, sk.Estimate())
			}
		}
		if n <= 1000 && read.Estimate() != uint64(n) {
			t.Errorf("want few users counted exactly: %d, got %d", n, read.Estimate())
		}
	}
}

func TestASketchKnowsWhetherItChanged(t *testing.T) {
	t.Parallel()
	sk := newSketch()
	users := map[int64]struct{}{}
	for i := range 5000 {
		users[userHash(strconv.Itoa(i))] = struct{}{}
	}
	if !sk.add(users) || sk.add(users) {
		t.Error("the same users again are no change")
	}
	before := sk.plain()
	if again := readSketch(sk.stored()); !bytes.Equal(before, again.plain()) || again.add(users) {
		t.Error("a sketch changes by being stored")
	}
	if got := readSketch([]byte("damaged")); got.Estimate() != 0 {
		t.Errorf("a damaged sketch counts %d", got.Estimate())
	}
}
