package ingest

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// errOrigin answers requests from a page that the project does not allow.
var errOrigin = fault.New(fault.Denied, "event submission rejected with_reason: Cors")

// requestOrigin is the page a request came from: Origin, else Referer, when it is an http or https
// URL; empty otherwise.
// Rule: getsentry/relay relay-server/src/extractors/request_meta.rs
func requestOrigin(h http.Header) string {
	for _, name := range [...]string{"Origin", "Referer"} {
		v := h.Get(name)
		if (strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://")) && len(v) <= maxOrigin {
			return v
		}
	}
	return ""
}

// maxOrigin is the longest origin that is looked at, in bytes.
const maxOrigin = 2048

// originAllowed reports whether a page may send to a project. No origin is always allowed; a nil
// list allows all.
// Rule: getsentry/relay relay-server/src/services/projects/project/info.rs
func originAllowed(origin string, allowed []string) bool {
	if origin == "" || allowed == nil {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return false
	}
	for _, entry := range allowed {
		if matchOrigin(u, entry) {
			return true
		}
	}
	return false
}

// matchOrigin compares a page with one entry: "*", a host, a host with a port or "*" for any, a
// host whose first label is "*" for its subdomains, each with a scheme in front or not.
func matchOrigin(u *url.URL, entry string) bool {
	entry = strings.ToLower(strings.TrimSpace(entry))
	if entry == "*" {
		return true
	}
	scheme, rest, ok := strings.Cut(entry, "://")
	if !ok {
		scheme, rest = "*", entry
	}
	if scheme != "*" && scheme != u.Scheme {
		return false
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, port := rest, "*"
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i+1:]
	}
	if port != "*" && port != portOf(u) {
		return false
	}
	name := strings.ToLower(u.Hostname())
	host = strings.Trim(host, "[]")
	if suffix, wild := strings.CutPrefix(host, "*"); wild {
		return suffix == "" || (strings.HasSuffix(name, suffix) && len(name) > len(suffix))
	}
	return host != "" && host == name
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// clientAddr is the address of the machine that sent a request: the peer, or, while that is a
// trusted proxy, the address it forwards for, so the right-most hop that is not ours.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	chain := r.Header.Values("X-Forwarded-For")
	for i := len(chain) - 1; i >= 0; i-- {
		hops := chain[i]
		for hops != "" {
			if !contains(trusted, addr) {
				return addr
			}
			var hop string
			if j := strings.LastIndexByte(hops, ','); j >= 0 {
				hops, hop = hops[:j], hops[j+1:]
			} else {
				hops, hop = "", hops
			}
			next, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return addr
			}
			addr = next
		}
	}
	return addr
}

// fromProxy reports whether a request came through a trusted proxy.
func (s *Service) fromProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && contains(s.cfg.TrustedProxies, peer.Addr().Unmap().WithZone(""))
}

// parseHop reads one address of a forwarding chain, with a port or without.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

func contains(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
