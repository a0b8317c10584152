package bus

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"
)

// A pack is many messages in one broker message, so that one sync makes all of them durable.
//
//	magic "TOCP" · version 1 · id 16 · count 4
//	then count times: body length 4 · trace length 2 · CRC-32C of trace and body 4 · trace · body
//
// Numbers are big-endian.
const (
	packMagic   = "TOCP"
	packVersion = 1
	packHead    = 4 + 1 + 16 + 4
	messageHead = 4 + 2 + 4

	// maxPackMessages and maxPackBytes close a pack that is being filled; the last message may
	// carry it past maxPackBytes.
	maxPackMessages = 128
	maxPackBytes    = 512 << 10
	// maxMessageBytes is the largest message a queue takes.
	maxMessageBytes = 4 << 20
	// MaxPayload is what the broker must allow for one message: a pack and room for headers.
	MaxPayload = 8 << 20

	maxTraceBytes = 1 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var packBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// packID identifies a pack; the broker recognises our own retries by it.
type packID [16]byte

// pack gathers messages until it is sent.
type pack struct {
	buf   *[]byte
	id    packID
	count int
	born  time.Time // when its first message came
	done  chan struct{}
	err   error // valid after done
}

func newPack(now time.Time) *pack {
	p := &pack{buf: packBuffers.Get().(*[]byte), born: now, done: make(chan struct{})}
	rand.Read(p.id[:]) //nolint:errcheck // it never fails
	b := append((*p.buf)[:0], packMagic...)
	b = append(append(b, packVersion), p.id[:]...)
	*p.buf = append(b, 0, 0, 0, 0)
	return p
}

// add appends one message, written by write. After an error the pack is as it was.
func (p *pack) add(trace []byte, write func([]byte) ([]byte, error)) error {
	if len(trace) > maxTraceBytes {
		trace = nil
	}
	start := len(*p.buf)
	b := append(*p.buf, make([]byte, messageHead)...)
	b = append(b, trace...)
	b, err := write(b)
	body := len(b) - start - messageHead - len(trace)
	if err == nil && (body < 0 || body > maxMessageBytes) {
		err = errTooLarge
	}
	if err != nil {
		*p.buf = (*p.buf)[:start]
		return err
	}
	head := b[start:]
	binary.BigEndian.PutUint32(head, uint32(body))
	binary.BigEndian.PutUint16(head[4:], uint16(len(trace)))
	binary.BigEndian.PutUint32(head[6:], crc32.Checksum(head[messageHead:], castagnoli))
	p.count++
	binary.BigEndian.PutUint32(b[packHead-4:], uint32(p.count))
	*p.buf = b
	return nil
}

func (p *pack) full() bool { return p.count >= maxPackMessages || len(*p.buf) >= maxPackBytes }

// finish tells the waiters and gives the buffer back.
func (p *pack) finish(err error) {
	p.err = err
	if cap(*p.buf) <= 2*maxPackBytes {
		packBuffers.Put(p.buf)
	}
	p.buf = nil
	close(p.done)
}

var errTooLarge = errors.New("message is too large")

// message is one entry of a pack that was read. Body and Trace alias the pack.
type message struct {
	trace []byte
	body  []byte
	err   error // the entry is damaged; body is what there is of it
}

// readPack splits a pack. An error means that nothing of it can be read. A damaged entry has its
// err set; when lengths no longer fit, one last entry holds the rest.
func readPack(b []byte) (packID, []message, error) {
	var id packID
	if len(b) < packHead || string(b[:4]) != packMagic {
		return id, nil, errors.New("not a pack")
	}
	if b[4] != packVersion {
		return id, nil, fmt.Errorf("pack has format version %d, this release reads %d", b[4], packVersion)
	}
	copy(id[:], b[5:])
	count := binary.BigEndian.Uint32(b[packHead-4:])
	if count == 0 || count > maxPackMessages {
		return id, nil, fmt.Errorf("pack claims %d messages", count)
	}
	b = b[packHead:]
	messages := make([]message, 0, count)
	for range count {
		if len(b) < messageHead {
			return id, append(messages, message{body: b, err: errors.New("pack is cut short")}), nil
		}
		body, trace := int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint16(b[4:]))
		if trace > maxTraceBytes || body > maxMessageBytes || trace+body > len(b)-messageHead {
			return id, append(messages, message{body: b, err: errors.New("pack is cut short")}), nil
		}
		entry := b[messageHead : messageHead+trace+body]
		m := message{trace: entry[:trace:trace], body: entry[trace:len(entry):len(entry)]}
		if crc32.Checksum(entry, castagnoli) != binary.BigEndian.Uint32(b[6:]) {
			m = message{body: entry, err: errors.New("message checksum differs")}
		}
		messages = append(messages, m)
		b = b[messageHead+trace+body:]
	}
	return id, messages, nil
}
