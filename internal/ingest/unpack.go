package ingest

import (
	"bytes"
	"compress/bzip2"
	"context"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// containers are what crash reports may be packed in, known by their first bytes.
// Rule: getsentry/relay relay-server/src/endpoints/minidump.rs (decode_minidump)
var containers = []struct {
	magic, suffix string
	open          func(io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b", ".gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"\xfd7zXZ\x00", ".xz", func(r io.Reader) (io.Reader, error) { return xz.ReaderConfig{DictCap: maxWindow}.NewReader(r) }},
	{"BZh", ".bz2", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"\x28\xb5\x2f\xfd", ".zst", func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	}},
}

// errContainer answers a container that cannot be undone.
var errContainer = fault.New(fault.Invalid, "invalid compression container")

// unpack takes a part out of its container, if it is in one, and takes the container's suffix off its
// name. fault.Invalid: broken. fault.TooLarge: over the limit of attachments, or expanding without measure.
func (s *Service) unpack(ctx context.Context, p *part) error {
	for _, c := range containers {
		if !bytes.HasPrefix(p.buffer.b, []byte(c.magic)) {
			continue
		}
		out, err := s.unpackWith(ctx, c.open, p.buffer.b)
		if err != nil {
			return err
		}
		p.free()
		p.buffer, p.borrowed, p.filename = out, false, strings.TrimSuffix(p.filename, c.suffix)
		return nil
	}
	return nil
}

func (s *Service) unpackWith(ctx context.Context, open func(io.Reader) (io.Reader, error), data []byte) (*buffer, error) {
	select {
	case s.decoders <- struct{}{}:
		defer func() { <-s.decoders }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "failed to queue envelope")
	}
	src := bytes.NewReader(data)
	r, err := open(src)
	if err != nil {
		return nil, errContainer
	}
	if z, ok := r.(*zstd.Decoder); ok {
		defer z.Close()
	}
	out, err := newBuffer(ctx, s.budget)
	if err != nil {
		return nil, err
	}
	err = out.fill(ctx, r, classAttachment.each, func(n int) error {
		if n > freeOutput && n > maxRatio*(len(data)-src.Len()) {
			return fault.New(fault.TooLarge, "request body expands more than %d times", maxRatio)
		}
		return nil
	})
	if err == nil {
		return out, nil
	}
	out.free()
	if kind := fault.KindOf(err); kind != fault.TooLarge && kind != fault.Unavailable {
		err = errContainer
	}
	return nil, err
}
