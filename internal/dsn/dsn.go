// Package dsn owns the text by which clients find and authenticate to a project: the DSN itself,
// the client key in it, and the places in a request that carry the key.
package dsn

import (
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Key is the public half of a client key.
type Key [16]byte

// ParseKey reads a public key: 32 hex digits in any case, with flags after a dot left out.
// fault.Invalid with the protocol's text for anything else.
// Rule: getsentry/relay relay-server/src/extractors/request_meta.rs
func ParseKey(s string) (Key, error) {
	s, _, _ = strings.Cut(s, ".")
	var k Key
	if len(s) != 2*len(k) {
		return Key{}, errKey
	}
	for i := range k {
		hi, lo := hexDigit(s[2*i]), hexDigit(s[2*i+1])
		if hi|lo > 0xf {
			return Key{}, errKey
		}
		k[i] = hi<<4 | lo
	}
	return k, nil
}

var errKey = fault.New(fault.Invalid, "bad sentry DSN public key")

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// String is the key as 32 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// IsZero reports whether the key is unset; no project is given the zero key.
func (k Key) IsZero() bool { return k == Key{} }

// DSN is the address a client reports to.
type DSN struct {
	Scheme  string // http or https
	Key     Key
	Secret  string // deprecated; accepted and without meaning
	Host    string // with the port, when it is not the scheme's
	Path    string // prefix before /api, without a trailing slash; usually empty
	Project int64
}

// maxDSN bounds the text of a DSN.
const maxDSN = 2048

// Parse reads a DSN. fault.Invalid when it is none.
// Rule: https://develop.sentry.dev/sdk/foundations/transport/authentication/
func Parse(s string) (DSN, error) {
	if len(s) > maxDSN {
		return DSN{}, fault.New(fault.Invalid, "the DSN is too long")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil: // the error of package url repeats the text, secrets included
		return DSN{}, fault.New(fault.Invalid, "the DSN is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return DSN{}, fault.New(fault.Invalid, "the DSN has no http or https scheme")
	case u.Hostname() == "":
		return DSN{}, fault.New(fault.Invalid, "the DSN has no host")
	case u.User == nil:
		return DSN{}, fault.New(fault.Invalid, "the DSN has no public key")
	}
	key, err := ParseKey(u.User.Username())
	if err != nil {
		return DSN{}, err
	}
	secret, _ := u.User.Password()
	path := strings.TrimRight(u.EscapedPath(), "/")
	slash := strings.LastIndexByte(path, '/')
	project, err := ParseProject(path[slash+1:])
	if err != nil || slash < 0 {
		return DSN{}, fault.New(fault.Invalid, "the DSN has no numeric project id")
	}
	return DSN{u.Scheme, key, secret, u.Host, path[:slash], project}, nil
}

// String is the DSN as clients are given it; the secret is left out.
func (d DSN) String() string {
	return d.Scheme + "://" + d.Key.String() + "@" + d.Host + d.Path + "/" + strconv.FormatInt(d.Project, 10)
}

// ParseProject reads a project id: an unsigned decimal number that fits 63 bits, above zero.
// fault.Invalid with the protocol's text for anything else.
func ParseProject(s string) (int64, error) {
	if s == "" || s[0] == '+' || s[0] == '-' {
		return 0, errProject
	}
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id == 0 {
		return 0, errProject
	}
	return id, nil
}

var errProject = fault.New(fault.Invalid, "bad project path parameter")
