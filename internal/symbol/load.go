package symbol

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

// loadError is why a file cannot be used, as it is remembered with it.
type loadError struct {
	reason artifact.Reason
	detail string
}

func (e *loadError) Error() string { return string(e.reason) + ": " + e.detail }

// errorBytes is what remembering a failure takes.
const errorBytes = 256

// bytesOf reads the bytes of a file of a bundle, whatever it claims of itself. *loadError: they
// cannot be used. Other errors pass.
func (s *Service) bytesOf(ctx context.Context, f *artifact.File) ([]byte, error) {
	if f.Size > s.most {
		return nil, &loadError{artifact.TooBig, fmt.Sprintf("it has %d MiB, more than the %d MiB that are read", f.Size>>20, s.most>>20)}
	}
	file, err := s.files.Open(ctx, f.Blob)
	switch {
	case fault.KindOf(err) == fault.Unknown:
		return nil, &loadError{artifact.Unreadable, "its bytes are not kept any more"}
	case err != nil:
		return nil, err
	}
	defer file.Close()
	var in io.Reader = io.NewSectionReader(file, f.Offset, f.Packed)
	if f.Method != 0 {
		in = flate.NewReader(in)
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(max(f.Size, 0), s.most)+bytes.MinRead))
	_, err = io.Copy(buf, io.LimitReader(in, s.most+1))
	switch {
	case int64(buf.Len()) > s.most:
		return nil, &loadError{artifact.TooBig, fmt.Sprintf("it unpacks to more than the %d MiB that are read", s.most>>20)}
	case err != nil && isDamage(err):
		return nil, &loadError{artifact.Unreadable, "it cannot be unpacked"}
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "read an artifact")
	}
	return buf.Bytes(), nil
}

func isDamage(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF)
}

// load reads a file once, however many ask for it, and remembers what make made of it.
func load[T any](ctx context.Context, s *Service, kind string, f *artifact.File, make func([]byte) (T, int, error)) (T, error) {
	key := fmt.Sprintf("%s %s %d", kind, f.Blob, f.Offset)
	return loadKey(ctx, s, kind, key, func() ([]byte, error) { return s.bytesOf(ctx, f) }, make)
}

func loadKey[T any](ctx context.Context, s *Service, kind, key string, get func() ([]byte, error), make func([]byte) (T, int, error)) (T, error) {
	var zero T
	v, ok := s.read.get(key)
	if !ok {
		var err error
		v, err, _ = s.loads.Do(key, func() (any, error) {
			if err := s.turns.Acquire(ctx, 1); err != nil {
				return nil, fault.Wrap(err, fault.Unavailable, "the caller left before its turn came")
			}
			defer s.turns.Release(1)
			began := time.Now()
			defer func() { s.loaded.WithLabelValues(kind).Observe(time.Since(began).Seconds()) }()
			return s.fill(ctx, key, get, func(b []byte) (any, int, error) { return make(b) })
		})
		if err != nil {
			return zero, err
		}
	}
	if failed, is := v.(*loadError); is {
		return zero, failed
	}
	return v.(T), nil
}

// fill reads one file and remembers the outcome; what may be better the next time is an error.
func (s *Service) fill(ctx context.Context, key string, get func() ([]byte, error), make func([]byte) (any, int, error)) (v any, err error) {
	body, err := get()
	var failed *loadError
	size := errorBytes
	switch {
	case errors.As(err, &failed):
		v = failed
	case err != nil:
		slog.WarnContext(ctx, "an artifact could not be read", "err", err)
		return nil, err
	default:
		if v, size, err = guarded(body, make); err != nil {
			v, size = &loadError{artifact.Unreadable, err.Error()}, errorBytes
		}
	}
	s.read.put(key, v, size)
	return v, nil
}

// guarded keeps a file that makes a reader panic, which is a defect of ours, from costing the event.
func guarded(body []byte, make func([]byte) (any, int, error)) (v any, size int, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("reading an artifact panicked", "err", fmt.Errorf("panic: %v", p))
			err = errors.New("it cannot be read")
		}
	}()
	return make(body)
}

func (s *Service) loadMap(ctx context.Context, f *artifact.File) (*sourcemap.Map, error) {
	return load(ctx, s, "map", f, parseMap)
}

func parseMap(b []byte) (*sourcemap.Map, int, error) {
	m, err := sourcemap.Parse(b)
	if err != nil {
		return nil, 0, errors.New(strings.TrimPrefix(err.Error(), sourcemap.ErrMap.Error()+": "))
	}
	return m, m.Bytes(), nil
}

// script is a script that was read, with the reference at its end.
type script struct {
	*sourcemap.Script
	reference string
}

func (s *Service) loadScript(ctx context.Context, f *artifact.File) (*script, error) {
	return load(ctx, s, "script", f, func(b []byte) (*script, int, error) {
		about := artifact.File{Type: artifact.TypeMinifiedSource}
		about.Discover(b)
		out := &script{sourcemap.Scan(b), about.Sourcemap}
		return out, out.Bytes() + len(out.reference), nil
	})
}

// inlineMap reads the map that a script holds itself.
func (s *Service) inlineMap(ctx context.Context, f *artifact.File, reference string) (*sourcemap.Map, error) {
	return loadKey(ctx, s, "map", fmt.Sprintf("inline %s %d", f.Blob, f.Offset), func() ([]byte, error) {
		head, text, _ := strings.Cut(reference, ",")
		if !strings.Contains(head, "base64") {
			return nil, &loadError{artifact.Unreadable, "the map within the script is not in base 64"}
		}
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, &loadError{artifact.Unreadable, "the map within the script is damaged"}
		}
		return b, nil
	}, parseMap)
}
