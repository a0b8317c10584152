package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Remote is how a command reaches a running installation: through its API, with a token.
type Remote struct {
	Data  string `help:"Folder of the installation, whose bootstrap.json names its address and token." default:"./data" env:"TOCSIN_DATA" type:"path"`
	URL   string `name:"url" help:"Address of the web service, instead of the one in bootstrap.json." env:"TOCSIN_URL"`
	Token string `help:"API token of an owner, instead of the one in bootstrap.json." env:"TOCSIN_TOKEN"`
}

const (
	remoteTimeout  = 30 * time.Second
	maxRemoteBytes = 64 << 20
)

// call asks the API and decodes the answer. It returns the cursor of the next page, if there is one.
func (r *Remote) call(ctx context.Context, method, path string, query url.Values, body, into any) (next string, err error) {
	if err := r.complete(); err != nil {
		return "", err
	}
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		in = bytes.NewReader(text)
	}
	target := r.URL + "/api/v1/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, in)
	if err != nil || req.URL.Host == "" {
		return "", fault.New(fault.Invalid, "%q is no address such as https://errors.example.com; correct --url", r.URL)
	}
	req.Header.Set("Authorization", "Bearer "+r.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "cannot reach %s; is it running, and is --url right?", r.URL)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxRemoteBytes))
	if err != nil {
		return "", err
	}
	if res.StatusCode/100 != 2 {
		return "", remoteError(res.StatusCode, answer)
	}
	return nextCursor(res.Header.Get("Link")), json.Unmarshal(answer, into)
}

// complete takes what was not given from bootstrap.json.
func (r *Remote) complete() error {
	if r.URL == "" || r.Token == "" {
		c, err := readCredentials(r.Data)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return fault.Wrap(err, fault.Denied, "this account may not read %s; run as the one that runs Tocsin, or give --url and --token", filepath.Join(r.Data, "bootstrap.json"))
		case err != nil:
			return fault.Wrap(err, fault.Invalid, "%s cannot be read; give --url and --token", filepath.Join(r.Data, "bootstrap.json"))
		case c == nil:
			return fault.New(fault.Unknown, "there is no bootstrap.json in %s; name the folder with --data, or give --url and --token", r.Data)
		}
		if r.URL == "" {
			r.URL = c.URL
		}
		if r.Token == "" {
			r.Token = c.AuthToken
		}
	}
	r.URL = strings.TrimSuffix(r.URL, "/")
	return nil
}

// remoteError is an answer that says no, as a fault.
func remoteError(status int, answer []byte) error {
	kind := fault.Internal
	for _, k := range []fault.Kind{fault.Invalid, fault.Unknown, fault.Conflict, fault.Denied, fault.Unauthenticated, fault.TooLarge, fault.Limited, fault.Unavailable} {
		if k.Status() == status {
			kind = k
		}
	}
	var told map[string]any
	if json.Unmarshal(answer, &told) == nil {
		if text, ok := told["detail"].(string); ok {
			if kind == fault.Unauthenticated {
				text += "; give the token of an owner with --token"
			}
			return fault.New(kind, "%s", text)
		}
		for field, text := range told {
			return fault.New(kind, "%s: %v", field, text)
		}
	}
	return fault.New(kind, "the server answers %d: %.200s", status, answer)
}

// nextCursor reads the cursor of the next page from a Link header.
func nextCursor(link string) string {
	for part := range strings.SplitSeq(link, ", ") {
		if strings.Contains(part, `rel="next"; results="true"`) {
			_, cursor, _ := strings.Cut(part, `cursor="`)
			cursor, _, _ = strings.Cut(cursor, `"`)
			return cursor
		}
	}
	return ""
}
