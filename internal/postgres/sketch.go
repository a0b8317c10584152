package postgres

import (
	"bytes"

	"github.com/axiomhq/hyperloglog"
)

// sketchPrecision gives 16,384 registers: up to some thousand users are counted almost exactly,
// more with a standard error of 0.81 %, and no sketch is larger than 16 KiB.
const sketchPrecision = 14

// userSketch counts distinct users in bounded space. Sketches of several hashes add up to that of
// all their users.
type userSketch struct{ *hyperloglog.Sketch }

func newSketch() userSketch {
	sk, err := hyperloglog.NewSketch(sketchPrecision, true)
	if err != nil {
		panic(err) // the precision is constant
	}
	return userSketch{sk}
}

// readSketch reads the stored form; nothing, and what is damaged, is the empty sketch.
func readSketch(stored []byte) userSketch {
	sk := newSketch()
	if len(stored) == 0 {
		return sk
	}
	raw, err := codec().dec.DecodeAll(stored, nil)
	if err == nil {
		err = sk.UnmarshalBinary(raw)
	}
	if err != nil {
		return newSketch()
	}
	return sk
}

// stored is the form that readSketch reads.
func (sk userSketch) stored() []byte { return codec().enc.EncodeAll(sk.plain(), nil) }

// plain is the same for the same users, in whatever order they came.
func (sk userSketch) plain() []byte {
	sk.Estimate() // which brings the sketch into order
	b, err := sk.AppendBinary(nil)
	if err != nil {
		return nil // not possible for an initialized sketch
	}
	return b
}

// add counts users, and reports whether any of them changed the sketch.
func (sk userSketch) add(users map[int64]struct{}) bool {
	if len(users) == 0 {
		return false
	}
	before := sk.plain()
	for u := range users {
		sk.InsertHash(uint64(u))
	}
	return !bytes.Equal(before, sk.plain())
}

// join counts the users of another sketch too.
func (sk userSketch) join(o userSketch) {
	if err := sk.Merge(o.Sketch); err != nil {
		panic(err) // every sketch has the same precision
	}
}
