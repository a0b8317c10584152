package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// putTimeout is how long storing one file may take.
const putTimeout = time.Minute

// bucket is a store in a bucket of an S3-compatible service.
type bucket struct {
	client *minio.Client
	name   string
	prefix string // empty, or ends in a slash
}

func openBucket(u *url.URL) (*bucket, error) {
	q := u.Query()
	endpoint := q.Get("endpoint")
	if endpoint == "" {
		endpoint = "s3.amazonaws.com"
	}
	client, err := minio.New(endpoint, &minio.Options{Creds: credentials.NewEnvAWS(), Secure: q.Get("insecure") != "true", Region: q.Get("region")})
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the address of the bucket for files is not usable")
	}
	b := &bucket{client: client, name: u.Host, prefix: strings.Trim(u.Path, "/")}
	if b.prefix != "" {
		b.prefix += "/"
	}
	return b, nil
}

// Put implements Store.
func (b *bucket) Put(ctx context.Context, project int64, at time.Time, data []byte) (string, error) {
	key, err := keyOf(project, at, data)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	_, err = b.client.PutObject(ctx, b.name, b.prefix+key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "keep a file in the bucket")
	}
	return key, nil
}

// PutStream implements Store.
func (b *bucket) PutStream(ctx context.Context, project int64, at time.Time, sum [32]byte, size int64, r io.Reader) (string, error) {
	key := keyOfSum(project, at, sum)
	in, err := newChecked(r, sum, size)
	if err != nil {
		return "", err
	}
	_, err = b.client.PutObject(ctx, b.name, b.prefix+key, in, size, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	switch {
	case errors.Is(err, errAnother):
		return "", errAnother
	case err != nil:
		return "", fault.Wrap(err, fault.Unavailable, "keep a file in the bucket")
	}
	return key, nil
}

// Delete implements Store.
func (b *bucket) Delete(ctx context.Context, key string) error {
	if !wellFormed.MatchString(key) {
		return nil
	}
	if err := b.client.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{}); err != nil {
		return fault.Wrap(err, fault.Unavailable, "remove a file of the bucket")
	}
	return nil
}

// Open implements Store.
func (b *bucket) Open(ctx context.Context, key string) (File, error) {
	if !wellFormed.MatchString(key) {
		return nil, errNone
	}
	file, err := b.client.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if err == nil {
		_, err = file.Stat() // the request is sent with the first use
	}
	switch {
	case err != nil && minio.ToErrorResponse(err).StatusCode == http.StatusNotFound:
		return nil, errNone
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "open a file of the bucket")
	}
	return file, nil
}

// DeleteBefore implements Store.
func (b *bucket) DeleteBefore(ctx context.Context, at time.Time) (int, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the listings that are left early
	defer cancel()
	days := 0
	for day := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix}) {
		if day.Err != nil {
			return days, fault.Wrap(day.Err, fault.Unavailable, "list the days of the bucket")
		}
		if !expired(strings.TrimPrefix(day.Key, b.prefix), at) {
			continue
		}
		for file := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: day.Key, Recursive: true}) {
			err := file.Err
			if err == nil {
				err = b.client.RemoveObject(ctx, b.name, file.Key, minio.RemoveObjectOptions{})
			}
			if err != nil {
				return days, fault.Wrap(err, fault.Unavailable, "remove a day of the bucket")
			}
		}
		days++
	}
	return days, nil
}
