// Package smtpsink is a mail server for tests: it speaks SMTP with STARTTLS on loopback, keeps what
// it takes, and refuses what a test tells it to.
package smtpsink

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// maxMail is the largest mail that is taken, in bytes.
const maxMail = 1 << 20

// Mail is one message with its envelope.
type Mail struct {
	From string
	To   []string
	Data []byte // as it came, line ends included
	TLS  bool   // over an encrypted connection
}

// Sink is a running server. Its fields are set before the first connection.
type Sink struct {
	Address string // host and port
	// Refuse, when it is not nil, answers a recipient for the n-th time; nil accepts.
	Refuse func(to string, n int) *smtp.SMTPError

	mu    sync.Mutex
	mails []Mail
	tried map[string]int
}

// New starts a server that ends with the test. Without a certificate it offers no STARTTLS.
func New(t testing.TB, cert *tls.Certificate) *Sink {
	t.Helper()
	s, stop, err := Start(cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

// Start is New for programs: stop ends the server.
func Start(cert *tls.Certificate) (s *Sink, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	s = &Sink{Address: ln.Addr().String(), tried: map[string]int{}}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{sink: s, conn: c}, nil }))
	srv.Domain, srv.MaxMessageBytes, srv.ReadTimeout, srv.WriteTimeout = "localhost", maxMail, 30*time.Second, 30*time.Second
	srv.ErrorLog = log.New(io.Discard, "", 0)
	if cert != nil {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	return s, func() { _ = srv.Close(); <-done }, nil
}

// URL is the server as TOCSIN_SMTP_URL names it.
func (s *Sink) URL() string { return "smtp://" + s.Address }

// Mails is what was taken so far, in order.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

type session struct {
	sink *Sink
	conn *smtp.Conn
	mail Mail
}

func (c *session) Reset()        { c.mail = Mail{} }
func (c *session) Logout() error { return nil }

func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	c.mail.From = from
	return nil
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.sink.mu.Lock()
	c.sink.tried[to]++
	n := c.sink.tried[to]
	c.sink.mu.Unlock()
	if c.sink.Refuse != nil {
		if err := c.sink.Refuse(to, n); err != nil {
			return err
		}
	}
	c.mail.To = append(c.mail.To, to)
	return nil
}

func (c *session) Data(r io.Reader) (err error) {
	if c.mail.Data, err = io.ReadAll(io.LimitReader(r, maxMail)); err != nil {
		return err
	}
	_, c.mail.TLS = c.conn.TLSConnectionState()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.sink.mails = append(c.sink.mails, c.mail)
	return nil
}

// Greylisted refuses a recipient the first time, as relays do that wait for a second try.
func Greylisted(_ string, n int) *smtp.SMTPError {
	if n > 1 {
		return nil
	}
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted, try again later"}
}

// Unknown refuses a recipient for good.
func Unknown(string, int) *smtp.SMTPError {
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
}

// Certificate makes a certificate of its own authority for loopback, valid until a time, and its PEM.
func Certificate(until time.Time) (cert tls.Certificate, authority []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return cert, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// Trusted makes a certificate that this process trusts. It must be called before the process looks
// at its authorities for the first time: in TestMain.
func Trusted(file string) (tls.Certificate, error) {
	cert, authority, err := Certificate(time.Now().Add(24 * time.Hour))
	if err == nil {
		err = os.WriteFile(file, authority, 0o600)
	}
	if err == nil {
		err = os.Setenv("SSL_CERT_FILE", file)
	}
	return cert, err
}

// Text is the subject of a mail and its plain part.
func (m *Mail) Text() (subject, plain string, err error) {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		return "", "", err
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		return "", "", err
	}
	_, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	for r := multipart.NewReader(parsed.Body, params["boundary"]); ; {
		part, err := r.NextPart() // decodes quoted-printable
		if err != nil {
			return "", "", err
		}
		if kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind == "text/plain" {
			text, err := io.ReadAll(part)
			return subject, string(text), err
		}
	}
}
