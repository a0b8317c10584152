// Package blob keeps the bytes of files that clients send: in a folder, or in a bucket of an
// S3-compatible service. A file is stored under the day it came, its project and the SHA-256 of its
// content, so that storing it twice is storing it once and a day is removed as a whole.
//
//	20261121/42/9f86d081…
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// MaxBytes is the largest file that Put keeps, MaxStreamBytes the largest of PutStream.
const (
	MaxBytes       = 200 << 20
	MaxStreamBytes = 2 << 30
)

// File is a stored file, read from its beginning or at any place.
type File interface {
	io.ReadCloser
	io.ReaderAt
}

// Store keeps files. It is safe for concurrent use.
type Store interface {
	// Put keeps data until its day is removed and returns its key; after nil it survives a loss of
	// power. fault.TooLarge: over MaxBytes. fault.Unavailable: it could not be stored now.
	Put(ctx context.Context, project int64, at time.Time, data []byte) (key string, err error)
	// PutStream keeps what r gives, which must have the size and SHA-256 that are named: like Put for
	// files that are too large to be held. fault.Invalid: it has not.
	PutStream(ctx context.Context, project int64, at time.Time, sum [32]byte, size int64, r io.Reader) (key string, err error)
	// Open reads a file; the caller closes it. fault.Unknown: there is none under the key.
	Open(ctx context.Context, key string) (File, error)
	// Delete removes a file; it is nil when there is none.
	Delete(ctx context.Context, key string) error
	// DeleteBefore removes the files of the UTC days before the one of at, and says of how many days.
	DeleteBefore(ctx context.Context, at time.Time) (days int, err error)
}

// Open returns the store a URL names: "s3://bucket/prefix?endpoint=host:port", or the folder dir
// when url is empty. The parameters of S3 are endpoint, region and insecure=true for plain HTTP;
// its credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. fault.Invalid: another URL.
func Open(location, dir string) (Store, error) {
	if location == "" {
		return openFolder(dir)
	}
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, fault.New(fault.Invalid, "files are kept under s3://bucket?endpoint=host:port, or in a folder when nothing is set")
	}
	return openBucket(u)
}

// Below is the location of a store of its own under another one; empty when that is a folder.
func Below(location, name string) string {
	head, query, _ := strings.Cut(location, "?")
	if head == "" {
		return ""
	}
	head = strings.TrimSuffix(head, "/") + "/" + name
	if query != "" {
		head += "?" + query
	}
	return head
}

const dayLayout = "20060102"

// keyOf is where the data of a project that came at a time is kept. fault.TooLarge.
func keyOf(project int64, at time.Time, data []byte) (string, error) {
	if len(data) > MaxBytes {
		return "", fault.New(fault.TooLarge, "a file has at most %d bytes", MaxBytes)
	}
	return keyOfSum(project, at, sha256.Sum256(data)), nil
}

func keyOfSum(project int64, at time.Time, sum [32]byte) string {
	return fmt.Sprintf("%s/%d/%s", at.UTC().Format(dayLayout), project, hex.EncodeToString(sum[:]))
}

// checked reads a stream and refuses it at its end when it is not what was announced.
type checked struct {
	r    io.Reader
	hash hash.Hash
	sum  [32]byte
	left int64
}

func newChecked(r io.Reader, sum [32]byte, size int64) (*checked, error) {
	if size < 0 || size > MaxStreamBytes {
		return nil, fault.New(fault.TooLarge, "a file has at most %d bytes", MaxStreamBytes)
	}
	return &checked{r, sha256.New(), sum, size}, nil
}

// Read implements io.Reader.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	_, _ = c.hash.Write(p[:n]) // never fails
	if c.left -= int64(n); c.left < 0 || err == io.EOF && (c.left != 0 || [32]byte(c.hash.Sum(nil)) != c.sum) {
		return n, errAnother
	}
	return n, err
}

// errAnother refuses a stream that is not the file it was said to be.
var errAnother = fault.New(fault.Invalid, "the file is not the one that was announced")

var wellFormed = regexp.MustCompile(`^[0-9]{8}/[0-9]{1,19}/[0-9a-f]{64}$`)

// errNone answers for a key nothing is kept under.
var errNone = fault.New(fault.Unknown, "the file is not there any more")

// expired reports whether the name of a day lies before at's day; other names never do.
func expired(name string, at time.Time) bool {
	day, err := time.Parse(dayLayout, strings.TrimSuffix(name, "/"))
	return err == nil && day.Before(at.UTC().Truncate(24*time.Hour))
}
