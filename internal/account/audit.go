package account

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"
)

// AuditEntry is one line of an organization's audit log: who did what to what, from where.
type AuditEntry struct {
	Organization int64
	Seq          int64 // 1, 2, 3 … without a gap
	At           time.Time
	ActorID      int64  // user; 0: a token of the organization's own, or the system
	Actor        string // address, or the token's name
	Token        int64  // 0: not by a token
	Address      string // of the caller
	Event        string // such as "member.invite"
	Target       string // what it happened to, as people name it
	Note         string // one sentence; may be empty
	Data         string // JSON object: what was changed; never a secret
	Previous     [sha256.Size]byte
	Hash         [sha256.Size]byte
}

// Sum is the hash of the entry, which covers the hash of the one before it: a line that is
// changed, taken out or slipped in breaks the chain from there on.
func (e *AuditEntry) Sum() [sha256.Size]byte {
	h := sha256.New()
	_, _ = h.Write(e.Previous[:])
	var n [8]byte
	for _, v := range []int64{e.Organization, e.Seq, e.At.UnixMicro(), e.ActorID, e.Token} {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		_, _ = h.Write(n[:])
	}
	for _, s := range []string{e.Actor, e.Address, e.Event, e.Target, e.Note, e.Data} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Details is Data decoded; nil when it is none.
func (e *AuditEntry) Details() map[string]any {
	var m map[string]any
	if json.Unmarshal([]byte(e.Data), &m) != nil {
		return nil
	}
	return m
}

// BrokenAt returns the first entry of a whole log, oldest first, that does not follow from the
// ones before it; ok is true when every one does.
func BrokenAt(log []AuditEntry, previous [sha256.Size]byte, seq int64) (broken int64, ok bool) {
	for i := range log {
		e := &log[i]
		seq++
		if e.Seq != seq || e.Previous != previous || e.Sum() != e.Hash {
			return seq, false
		}
		previous = e.Hash
	}
	return 0, true
}
