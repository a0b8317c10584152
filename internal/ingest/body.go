package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	firstBuffer = 16 << 10 // bytes a body starts with
	freeOutput  = 1 << 20  // decoded bytes that may come of however few encoded ones
	maxRatio    = 100      // decoded bytes per encoded byte past freeOutput
)

// buffer holds the bytes of a body, paid for from a budget.
type buffer struct {
	b      []byte
	held   int64 // bytes of the budget
	budget *budget
}

var idleBuffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, firstBuffer)} }}

// newBuffer returns an empty buffer; free gives it back.
func newBuffer(ctx context.Context, bg *budget) (*buffer, error) {
	buf := idleBuffers.Get().(*buffer)
	buf.budget = bg
	if err := bg.grow(ctx, 0, int64(cap(buf.b))); err != nil {
		idleBuffers.Put(buf)
		return nil, err
	}
	buf.held = int64(cap(buf.b))
	return buf, nil
}

// free ends the use of the buffer's bytes.
func (buf *buffer) free() {
	buf.budget.release(buf.held)
	buf.held = 0
	if cap(buf.b) <= smallBody {
		buf.b = buf.b[:0]
		idleBuffers.Put(buf)
	}
}

// errBody answers a body over its limit.
var errBody = fault.New(fault.TooLarge, "length limit exceeded")

// fill reads r to its end. fault.TooLarge when there are more than limit bytes; check, when not
// nil, is asked after every read whether to go on. The error of r is returned as it is.
func (buf *buffer) fill(ctx context.Context, r io.Reader, limit int64, check func(n int) error) error {
	for {
		if len(buf.b) == cap(buf.b) {
			if err := buf.widen(ctx, limit); err != nil {
				return err
			}
		}
		n, err := r.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if int64(len(buf.b)) > limit {
			return errBody
		}
		if check != nil {
			if err := check(len(buf.b)); err != nil {
				return err
			}
		}
		var over *http.MaxBytesError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &over):
			return errBody
		case err != nil:
			return err
		}
	}
}

func (buf *buffer) widen(ctx context.Context, limit int64) error {
	size := min(2*int64(cap(buf.b)), max(limit+1, firstBuffer))
	if err := buf.budget.grow(ctx, buf.held, size); err != nil {
		return err
	}
	buf.held = size
	wider := make([]byte, len(buf.b), size)
	copy(wider, buf.b)
	buf.b = wider
	return nil
}

// readBody returns a request's body with its content encoding undone. What it returns must be
// freed. fault.TooLarge: over limit, over the limit for encoded bodies, or expanding without
// measure. fault.Invalid: broken or empty. fault.Unavailable: no memory for it.
// A body is read whole before it is decoded, so that slow clients hold no decoder.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request, limit int64) (*buffer, error) {
	wire, encoding, err := s.readWire(w, r, limit)
	if err != nil || encoding == "" {
		return wire, err
	}
	defer wire.free()
	return s.decode(r.Context(), encoding, wire.b, limit)
}

// readWire returns a request's body as it was sent, and the name of its content encoding; see readBody.
func (s *Service) readWire(w http.ResponseWriter, r *http.Request, limit int64) (_ *buffer, encoding string, err error) {
	encoding, err = encodingOf(r.Header["Content-Encoding"])
	if err != nil {
		w.Header().Set("Accept-Encoding", acceptEncoding)
		return nil, "", err
	}
	sent := limit
	if encoding != "" {
		sent = min(limit, s.cfg.MaxCompressedBytes)
	}
	if r.ContentLength > sent { // a smaller claim is not believed
		return nil, "", errBody
	}
	wire, err := newBuffer(r.Context(), s.budget)
	if err != nil {
		return nil, "", err
	}
	if err := wire.fill(r.Context(), http.MaxBytesReader(w, r.Body, sent), sent, nil); err != nil {
		wire.free()
		if fault.KindOf(err) == fault.Internal { // the connection broke
			err = fault.Wrap(err, fault.Invalid, "invalid request body")
		}
		return nil, "", err
	}
	if len(wire.b) == 0 {
		wire.free()
		return nil, "", errEmpty
	}
	return wire, encoding, nil
}

// errEmpty answers a request without a body.
var errEmpty = fault.New(fault.Invalid, "empty request body")

// decode undoes an encoding. No more than a few bodies are decoded at once.
func (s *Service) decode(ctx context.Context, encoding string, wire []byte, limit int64) (*buffer, error) {
	select {
	case s.decoders <- struct{}{}:
		defer func() { <-s.decoders }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "failed to queue envelope")
	}
	out, err := newBuffer(ctx, s.budget)
	if err != nil {
		return nil, err
	}
	src := bytes.NewReader(wire)
	dec := pools[encoding].Get().(decoder)
	err = dec.Reset(src)
	if err == nil {
		err = out.fill(ctx, dec, limit, func(n int) error {
			if n > freeOutput && n > maxRatio*(len(wire)-src.Len()) {
				return fault.New(fault.TooLarge, "request body expands more than %d times", maxRatio)
			}
			return nil
		})
	}
	if fault.KindOf(err) != fault.Internal || err == nil {
		pools[encoding].Put(dec) // one that failed is not used again
	} else {
		err = decodeFault(err)
	}
	if err == nil && len(out.b) == 0 {
		err = errEmpty
	}
	if err != nil {
		out.free()
		return nil, err
	}
	return out, nil
}
