package ingest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// acceptEncoding lists the content encodings that are read, for the answer to any other.
const acceptEncoding = "gzip, deflate, br, zstd"

// maxWindow is the largest zstd window that is given memory, in bytes.
const maxWindow = 8 << 20

// decoder undoes one content encoding and can be used again.
type decoder interface {
	io.Reader
	Reset(r io.Reader) error
}

// pools holds idle decoders by the name of their encoding.
// Rule: getsentry/relay relay-server/src/middlewares/decompression.rs
var pools = map[string]*sync.Pool{
	"gzip":    {New: func() any { return new(gzip.Reader) }},
	"deflate": {New: func() any { return new(deflate) }},
	"br":      {New: func() any { return new(brotli.Reader) }},
	"zstd":    {New: newZstd},
}

// encodingOf names the encoding of a request body: empty for none. What old clients send without
// meaning it is ignored. fault.Unsupported for any other.
// Rule: getsentry/relay relay-config/src/config.rs (HttpEncoding)
func encodingOf(headers []string) (string, error) {
	if len(headers) == 0 {
		return "", nil
	}
	name := strings.ToLower(strings.TrimSpace(strings.Join(headers, ",")))
	switch name {
	case "", "identity", "utf-8":
		return "", nil
	case "x-gzip":
		return "gzip", nil
	}
	if pools[name] == nil {
		return "", fault.New(fault.Unsupported, "unsupported content encoding; use one of %s", acceptEncoding)
	}
	return name, nil
}

func newZstd() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}

// deflate reads the encoding of that name: a zlib stream, as the standard has it, or a raw one, as
// some clients have it.
type deflate struct {
	zlib, raw io.ReadCloser
	current   io.Reader
}

// Reset starts reading r, which must be a *bytes.Reader.
func (d *deflate) Reset(r io.Reader) (err error) {
	if isZlib(r.(*bytes.Reader)) {
		if d.zlib == nil {
			d.zlib, err = zlib.NewReader(r)
		} else {
			err = d.zlib.(zlib.Resetter).Reset(r, nil)
		}
		d.current = d.zlib
		return err
	}
	if d.raw == nil {
		d.raw = flate.NewReader(r)
	} else {
		err = d.raw.(flate.Resetter).Reset(r, nil)
	}
	d.current = d.raw
	return err
}

// Read decodes.
func (d *deflate) Read(b []byte) (int, error) { return d.current.Read(b) }

// isZlib reports whether r begins with the header of a zlib stream. It reads nothing.
func isZlib(r *bytes.Reader) bool {
	var head [2]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return false
	}
	return head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0
}

// decodeFault turns a decoder's error into an answer: what needs more memory than it is given is
// too large, all else is broken.
func decodeFault(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fault.Wrap(err, fault.TooLarge, "request body needs too much memory to decode")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("compressed body ends too early")
	}
	return fault.Wrap(err, fault.Invalid, "invalid request body: %s", err)
}
