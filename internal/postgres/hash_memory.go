package postgres

// ways is how many hashes may share a place of a hashSet or hashCounts.
const ways = 4

// hashSet remembers hashes in a fixed space: where more share a place than fit, it forgets the
// oldest. It never claims to have what was not added, as far as 64 bits differ.
type hashSet struct{ slots []uint64 }

// newHashSet makes one for n hashes, a power of two.
func newHashSet(n int) hashSet { return hashSet{make([]uint64, n)} }

func place64(slots []uint64, h uint64) []uint64 {
	i := int(h>>8) & (len(slots)/ways - 1) * ways
	return slots[i : i+ways : i+ways]
}

func (s hashSet) has(h uint64) bool {
	p := place64(s.slots, h)
	return p[0] == h || p[1] == h || p[2] == h || p[3] == h
}

// add reports whether h was not there.
func (s hashSet) add(h uint64) bool {
	if s.has(h) {
		return false
	}
	p := place64(s.slots, h)
	copy(p[1:], p[:ways-1])
	p[0] = h
	return true
}

// hashCounts counts up to 255 for each hash in a fixed space: where more share a place than fit,
// the smallest count is forgotten. The lowest byte of a slot is the count, the others are the hash's.
type hashCounts struct{ slots []uint64 }

// newHashCounts makes one for n hashes, a power of two.
func newHashCounts(n int) hashCounts { return hashCounts{make([]uint64, n)} }

// of is the count of h.
func (c hashCounts) of(h uint64) int {
	for _, v := range place64(c.slots, h) {
		if v&0xff != 0 && v>>8 == h>>8 {
			return int(v & 0xff)
		}
	}
	return 0
}

// add counts h once more.
func (c hashCounts) add(h uint64) {
	p := place64(c.slots, h)
	least := 0
	for i, v := range p {
		if v&0xff != 0 && v>>8 == h>>8 {
			if v&0xff != 0xff {
				p[i]++
			}
			return
		}
		if v&0xff < p[least]&0xff {
			least = i
		}
	}
	p[least] = h&^0xff | 1
}

// mixHashes makes one hash of two, which depends on their order.
// Source: the finalizer of splitmix64.
func mixHashes(a, b uint64) uint64 {
	h := a*0x9e3779b97f4a7c15 ^ b
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
