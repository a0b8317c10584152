// Package outbound is the one way to addresses that users give us. The decision whether an address
// may be reached is taken where the socket is about to connect, on the address itself, so that no
// spelling of a host, no name server and no redirect gets around it.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Defaults of Options.
const (
	DefaultTimeout          = 10 * time.Second
	DefaultMaxResponseBytes = 16 << 10
	DefaultConnsPerHost     = 2
)

const (
	maxURLBytes    = 2048
	maxHeaderBytes = 16 << 10
	connectTimeout = 5 * time.Second
	idleTimeout    = 30 * time.Second
)

// Options says what a Client may do. The zero value reaches public addresses only.
type Options struct {
	// AllowPrivate are the operator's own ranges: inside them any address and any port is allowed.
	AllowPrivate []netip.Prefix
	// Timeout covers a whole request, from the wait for a connection to the last byte read.
	Timeout time.Duration
	// MaxResponseBytes is how much of an answer's body is read.
	MaxResponseBytes int64
	// ConnsPerHost is how many connections one host and port may hold open.
	ConnsPerHost int
	// Resolver answers for host names; nil is the system's.
	Resolver *net.Resolver
	// TLS is the base of the TLS settings, for destinations with a private authority; may be nil.
	TLS *tls.Config
}

// Client sends single requests: no redirects, no proxy, no cookies. It is safe for concurrent use.
type Client struct {
	transport *http.Transport
	timeout   time.Duration
	maxBytes  int64
}

// Response is an answer, with as much of its body as the limits allowed.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a client that is bound by o.
func New(o Options) *Client {
	guard := guard{allow: o.AllowPrivate}
	dialer := &net.Dialer{Timeout: connectTimeout, Resolver: o.Resolver, Control: guard.control}
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	conns := positive(o.ConnsPerHost, DefaultConnsPerHost)
	return &Client{
		timeout:  positive(o.Timeout, DefaultTimeout),
		maxBytes: positive(o.MaxResponseBytes, DefaultMaxResponseBytes),
		transport: &http.Transport{ // Proxy stays nil: the environment's proxy would dial for us
			DialContext:            dialer.DialContext,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    connectTimeout,
			DisableCompression:     true,
			MaxConnsPerHost:        conns,
			MaxIdleConnsPerHost:    conns,
			MaxIdleConns:           64,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
	}
}

// Do sends req once. An answer of any status is a Response; redirects are answers like others.
// Failures have texts that name neither the address nor the path.
// fault.Denied: the destination is not allowed. fault.Invalid: the URL is not. fault.Unavailable:
// there was no answer.
func (c *Client) Do(req *http.Request) (Response, error) {
	if err := check(req.URL); err != nil {
		return Response{}, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), c.timeout)
	defer cancel()
	res, err := c.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return Response{}, explain(err)
	}
	defer res.Body.Close()
	// The status is the answer; a body that stalls or breaks off only shortens what is shown of it.
	body, _ := io.ReadAll(io.LimitReader(res.Body, c.maxBytes))
	return Response{res.StatusCode, res.Header, body}, nil
}

// HTTP returns the client as one of the standard library's, for libraries that ask for it. It is
// bound by the same limits; a body is cut where they say.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: roundTripper{c}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type roundTripper struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.c.Do(req)
	if err != nil {
		return nil, err
	}
	return &http.Response{Status: http.StatusText(res.Status), StatusCode: res.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(res.Body)), ContentLength: int64(len(res.Body)), Request: req}, nil
}

// Close gives up idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// ParseURL reads an address that a user gives us and reports early, as fault.Invalid, what Do would
// refuse about its form. Whether the host may be reached is only known when it is dialled.
func ParseURL(text string) (*url.URL, error) {
	if len(text) > maxURLBytes {
		return nil, fault.New(fault.Invalid, "a URL has at most %d bytes", maxURLBytes)
	}
	u, err := url.Parse(text)
	if err != nil { // the cause repeats the text, which may hold a secret
		return nil, fault.New(fault.Invalid, "this is not a URL")
	}
	if err := check(u); err != nil {
		return nil, err
	}
	return u, nil
}

func check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fault.New(fault.Invalid, "a URL starts with https:// or http://")
	case u.User != nil:
		return fault.New(fault.Invalid, "a URL must not carry a user name or password")
	case u.Opaque != "" || u.Hostname() == "":
		return fault.New(fault.Invalid, "a URL names a host")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.Zone() != "" || a.Is4In6()) {
		return fault.New(fault.Invalid, "an address in a URL is plain IPv4 or IPv6")
	}
	return nil
}

// guard decides, for each connection, whether its address may be reached.
type guard struct{ allow []netip.Prefix }

// control is a net.Dialer's hook: address is what the socket is about to connect to.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return fault.New(fault.Denied, "the destination's address is of an unknown kind")
	}
	return g.admit(netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
}

func (g guard) admit(to netip.AddrPort) error {
	switch {
	case within(g.allow, to.Addr()):
		return nil
	case !IsPublic(to.Addr()):
		return fault.New(fault.Denied, "the destination's address is not public, and the operator has not allowed it")
	case to.Port() != 80 && to.Port() != 443:
		return fault.New(fault.Denied, "the destination's port is neither 80 nor 443")
	}
	return nil
}

// explain turns a transport's error into one whose text may be shown to members of a project: it
// says what failed and nothing about addresses.
func explain(err error) error {
	var own *fault.Error
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	kind, text := fault.Unavailable, "the connection broke before an answer came"
	switch {
	case errors.As(err, &own):
		return fault.Wrap(err, own.Kind, "%s", own.Text)
	case errors.As(err, &dns) && dns.IsNotFound:
		text = "the host name has no address"
	case errors.As(err, &dns):
		text = "the host name could not be looked up"
	case errors.As(err, &cert):
		text = "the destination's certificate is not valid: " + reason(cert.Err)
	case errors.As(err, &record), errors.As(err, &op) && op.Op == "remote error": // a TLS alert
		text = "the destination does not speak TLS 1.2 or later as we do"
	case errors.Is(err, syscall.ECONNREFUSED):
		text = "the connection was refused"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		text = "no answer came in time"
	case errors.Is(err, context.Canceled):
		text = "the request was cut off"
	}
	return fault.Wrap(err, kind, "%s", text)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func positive[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
