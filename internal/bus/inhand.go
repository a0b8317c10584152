package bus

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// What a process had in hand when it died is worked on alone after its restart, message by message
// and with nothing beside it, so that the one message that kills the process gives itself away.
//
//	in hand with others, process dies ─▶ suspect: its messages alone, one after the other
//	in hand alone, process dies again ─▶ dead letter after three times
//
// The broker's own count of deliveries cannot do this: it also grows when somebody else's message
// or a power switch was the reason, and the embedded broker loses it at a restart.
const (
	// killerDeaths is how many deaths with nothing but this message in hand convict it.
	killerDeaths = 3
	wholePack    = -1
	// suspectAge is how long a suspicion lasts that nothing came of: another process finished the pack.
	suspectAge  = 24 * time.Hour
	maxSuspects = 4096
	maxInHand   = 1 << 20 // bytes of the file that are read
	endMark     = "\nended\n"
)

// inHandKey is a message of a pack, or with wholePack all of them.
type inHandKey struct {
	pack  packID
	index int
}

// suspicion is what is held against a message.
type suspicion struct {
	deaths int
	since  time.Time
	held   bool // in hand now
}

// inHand remembers in a file what is being worked on. The file needs no sync: it has to survive the
// process, and a machine that dies is no message's fault. Without a file nothing is remembered.
type inHand struct {
	mu     sync.Mutex
	file   *os.File // nil: nowhere to remember
	memory bool     // text is the file
	died   bool     // the process before this one did not end in order
	list   map[inHandKey]suspicion
	text   bytes.Buffer

	// alone is held for reading by whoever works on a batch, for writing by who works on a suspect.
	alone sync.RWMutex
}

// openInHand reads what an earlier process left. fault.Unavailable: the file cannot be used.
func openInHand(dir, queue string) (*inHand, error) {
	h := &inHand{list: map[inHandKey]suspicion{}}
	if dir == "" {
		return h, nil
	}
	name := filepath.Join(dir, "in-hand-"+queue)
	text, err := readHead(name)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "read what was in hand")
	}
	h.died = text != nil && !bytes.HasSuffix(text, []byte(endMark))
	h.load(text, time.Now())
	if h.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open what is in hand")
	}
	h.save()
	return h, nil
}

func readHead(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxInHand))
}

// load takes over what was in hand as one more death each. Lines that make no sense are passed over.
func (h *inHand) load(text []byte, now time.Time) {
	for line := range bytes.Lines(text) {
		var id string
		var index, deaths, held int
		var since int64
		if len(line) == 1 {
			return // what follows is left over from a longer list
		}
		if n, _ := fmt.Sscanf(string(line), "%32s %d %d %d %d", &id, &index, &deaths, &held, &since); n != 5 {
			continue
		}
		raw, err := hex.DecodeString(id)
		s := suspicion{deaths: deaths + held, since: time.Unix(since, 0)}
		if err != nil || len(raw) != 16 || s.deaths == 0 || now.Sub(s.since) > suspectAge || len(h.list) >= maxSuspects {
			continue
		}
		h.list[inHandKey{packID(raw), index}] = s
	}
}

// suspect reports whether the pack was in hand when a process died.
func (h *inHand) suspect(id packID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, known := h.list[inHandKey{id, wholePack}]
	return known && s.deaths > 0
}

// deaths is how often a process died with nothing but message index of the pack in hand.
func (h *inHand) deaths(id packID, index int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list[inHandKey{id, index}].deaths
}

// begin notes that work on message index of each pack starts; end that it is over.
func (h *inHand) begin(index int, ds ...*delivery) { h.hold(true, index, ds) }
func (h *inHand) end(index int, ds ...*delivery)   { h.hold(false, index, ds) }

func (h *inHand) hold(held bool, index int, ds []*delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil && !h.memory {
		return
	}
	for _, d := range ds {
		key := inHandKey{d.id, index}
		s, known := h.list[key]
		if !known {
			s.since = time.Now()
		}
		if s.held = held; held || s.deaths > 0 {
			h.list[key] = s
		} else {
			delete(h.list, key)
		}
	}
	h.save()
}

// forget drops every suspicion about a pack: it is done.
func (h *inHand) forget(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for index := wholePack; index < len(d.messages); index++ {
		delete(h.list, inHandKey{d.id, index})
	}
	h.save()
}

// save writes the list; h.mu is held. A failure costs the suspicion and nothing else.
func (h *inHand) save() {
	if h.file == nil && !h.memory {
		return
	}
	h.text.Reset()
	for key, s := range h.list {
		held := 0
		if s.held {
			held = 1
		}
		fmt.Fprintf(&h.text, "%x %d %d %d %d\n", key.pack[:], key.index, s.deaths, held, s.since.Unix())
	}
	h.text.WriteByte('\n')
	if h.file == nil {
		return
	}
	if _, err := h.file.WriteAt(h.text.Bytes(), 0); err == nil {
		_ = h.file.Truncate(int64(h.text.Len())) // load stops at the empty line if this fails
	}
}

// close notes that the process ended in order: it gave back what it had fetched.
func (h *inHand) close() {
	if h.file == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.save()
	_, _ = h.file.WriteAt([]byte(endMark), int64(h.text.Len())-1) // if this fails, the next one looks in vain
	_ = h.file.Close()
}
