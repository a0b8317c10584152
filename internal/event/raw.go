package event

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// ID identifies an event within its project.
type ID [16]byte

// ParseID reads 32 hex digits, with or without the dashes of a UUID, in any case.
func ParseID(s string) (ID, error) {
	var id ID
	switch len(s) {
	case 36:
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return ID{}, errID
		}
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	case 32:
	default:
		return ID{}, errID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, errID
	}
	return id, nil
}

var errID = errors.New("an event id is 32 hexadecimal digits")

// String is the id as 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// Raw is an accepted event as ingest hands it to the processor: the bytes the client sent, and
// what only ingest could know about their delivery.
type Raw struct {
	Project    int64
	KeyID      int64 // client key that authenticated the request
	ID         ID
	ReceivedAt time.Time  // stamped once, at acceptance; decides the day the event is stored under
	SentAt     time.Time  // the client's clock, from the envelope header; zero when absent
	ClientIP   netip.Addr // first address of the forwarding chain
	UserAgent  string     // of the delivering request
	Client     string     // sentry_client, such as "sentry.javascript.browser/8.0.0"
	Origin     string     // Origin or Referer of the delivering request
	ItemType   string     // envelope item type: event, security, …
	Payload    []byte     // decoded transport bytes: JSON, not yet validated
}

const rawVersion = 1

// AppendBinary appends the queue form of r to b. The layout carries a version, so that the next
// release can read what this one queued.
func (r *Raw) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, rawVersion)
	b = binary.AppendVarint(b, r.Project)
	b = binary.AppendVarint(b, r.KeyID)
	b = append(b, r.ID[:]...)
	b = appendMicros(b, r.ReceivedAt)
	b = appendMicros(b, r.SentAt)
	ip := r.ClientIP.AsSlice()
	b = append(append(b, byte(len(ip))), ip...)
	for _, s := range [...]string{r.UserAgent, r.Client, r.Origin, r.ItemType} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return append(b, r.Payload...), nil
}

// UnmarshalBinary reads what AppendBinary wrote. Payload aliases b.
func (r *Raw) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	if v := d.byte(); v != rawVersion {
		return fmt.Errorf("queued event has format version %d, this release reads %d", v, rawVersion)
	}
	r.Project, r.KeyID = d.varint(), d.varint()
	copy(r.ID[:], d.take(16))
	r.ReceivedAt, r.SentAt = d.time(), d.time()
	r.ClientIP, _ = netip.AddrFromSlice(d.take(int(d.byte())))
	for _, s := range [...]*string{&r.UserAgent, &r.Client, &r.Origin, &r.ItemType} {
		*s = string(d.take(int(d.uvarint())))
	}
	r.Payload = d.b
	if d.short {
		return errors.New("queued event is cut short")
	}
	return nil
}

func appendMicros(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, t.UnixMicro())
}

// decoder reads fields off the front of b; after the first shortage every read gives zero.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.b, d.short = nil, true
		return make([]byte, 0, 16)[:0]
	}
	var head []byte
	head, d.b = d.b[:n], d.b[n:]
	return head
}

func (d *decoder) byte() byte {
	if b := d.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.short = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.short = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) time() time.Time {
	if us := d.varint(); us != 0 {
		return time.UnixMicro(us).UTC()
	}
	return time.Time{}
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
