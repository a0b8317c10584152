package dsn

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Version is the newest protocol version, which clients that name none speak.
const Version = 7

// Auth is what a request says about its sender.
type Auth struct {
	Key     Key
	Version int    // protocol version, at most Version
	Client  string // by convention name/version; empty when not sent
}

// The failures of authentication, with the protocol's texts.
// Rule: getsentry/relay relay-server/src/extractors/request_meta.rs
var (
	ErrMissing     = fault.New(fault.Unauthenticated, "missing authorization information")
	ErrMultiple    = fault.New(fault.Unauthenticated, "multiple authorization payloads detected")
	ErrBadHeader   = fault.New(fault.Unauthenticated, "bad x-sentry-auth header")
	ErrBadEnvelope = fault.New(fault.Unauthenticated, "bad envelope authentication header")
)

// maxClient is how many bytes of a client's name are kept.
const maxClient = 256

// FromRequest finds the key in the X-Sentry-Auth header, the Authorization header (Sentry or
// Basic scheme) or the query. ErrMissing when none has it, ErrMultiple when two do, even if they
// agree; a query counts only when it has sentry_key. fault.Invalid for a malformed key or a
// protocol version of the future.
func FromRequest(h http.Header, query url.Values) (Auth, error) {
	var found []func() (Auth, error)
	if v := h.Get("X-Sentry-Auth"); hasScheme(v, "sentry") {
		found = append(found, func() (Auth, error) { return ParseHeader(v) })
	}
	v := h.Get("Authorization")
	switch {
	case hasScheme(v, "sentry"):
		found = append(found, func() (Auth, error) { return ParseHeader(v) })
	case hasScheme(v, "basic"):
		found = append(found, func() (Auth, error) { return parseBasic(v) })
	}
	if query.Has("sentry_key") {
		found = append(found, func() (Auth, error) {
			return newAuth(query.Get("sentry_key"), query.Get("sentry_version"), query.Get("sentry_client"))
		})
	}
	switch len(found) {
	case 0:
		return Auth{}, ErrMissing
	case 1:
		return found[0]()
	}
	return Auth{}, ErrMultiple
}

// hasScheme reports whether v begins with an authorization scheme and a space, in any case.
func hasScheme(v, scheme string) bool {
	return len(v) > len(scheme) && v[len(scheme)] == ' ' && strings.EqualFold(v[:len(scheme)], scheme)
}

// ParseHeader reads the value of an X-Sentry-Auth header, scheme included. ErrBadHeader when it
// has no key or a version that is no number.
//
//	auth = "Sentry" SP item *( "," item ) ; item = name "=" value
//
// Rule: getsentry/sentry-rust sentry-types/src/auth.rs
func ParseHeader(v string) (Auth, error) {
	if !hasScheme(v, "sentry") {
		return Auth{}, ErrBadHeader
	}
	var key, version, client string
	for item := range strings.SplitSeq(v[len("sentry "):], ",") {
		name, value, _ := strings.Cut(item, "=")
		value, _, _ = strings.Cut(value, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "sentry_key":
			key = value
		case "sentry_version":
			version = value
		case "sentry_client":
			client = value
		}
	}
	return newAuth(key, version, client)
}

func parseBasic(v string) (Auth, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(v[len("basic "):]))
	if err != nil {
		return Auth{}, ErrBadHeader
	}
	user, _, _ := strings.Cut(string(raw), ":")
	return newAuth(user, "", "")
}

func newAuth(key, version, client string) (Auth, error) {
	if key == "" {
		return Auth{}, ErrBadHeader
	}
	n := Version
	if version != "" {
		major, _, _ := strings.Cut(version, ".")
		v, err := strconv.ParseUint(major, 10, 16)
		if err != nil {
			return Auth{}, ErrBadHeader
		}
		n = int(v)
	}
	if n > Version {
		return Auth{}, fault.New(fault.Invalid, "unsupported protocol version (%d)", n)
	}
	k, err := ParseKey(key)
	if err != nil {
		return Auth{}, err
	}
	if len(client) > maxClient {
		client = strings.ToValidUTF8(client[:maxClient], "")
	}
	return Auth{Key: k, Version: n, Client: client}, nil
}
