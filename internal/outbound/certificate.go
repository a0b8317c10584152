package outbound

import (
	"crypto/x509"
	"errors"
)

// reason says in few words why a certificate was refused; the library's text lists names and
// addresses.
func reason(err error) string {
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired or not yet valid"
	case errors.As(err, &authority):
		return "unknown authority"
	case errors.As(err, &host):
		return "another host name"
	}
	return "refused"
}
