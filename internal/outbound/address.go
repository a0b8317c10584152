package outbound

import (
	"net/netip"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// special lists what global unicast space does not include: private, shared, reserved, and
// translation ranges, through which a public-looking address reaches a private one.
// Rule: https://www.iana.org/assignments/iana-ipv4-special-registry
// Rule: https://www.iana.org/assignments/iana-ipv6-special-registry
var special = prefixes(
	"0.0.0.0/8",         // this network
	"10.0.0.0/8",        // private
	"100.64.0.0/10",     // carrier-grade NAT; a metadata service lives here too
	"127.0.0.0/8",       // loopback
	"168.63.129.16/32",  // a cloud's host agent, on a public-looking address
	"169.254.0.0/16",    // link-local, metadata services
	"172.16.0.0/12",     // private
	"192.0.0.0/24",      // protocol assignments
	"192.0.2.0/24",      // documentation
	"192.31.196.0/24",   // AS112
	"192.52.193.0/24",   // multicast tunnels
	"192.88.99.0/24",    // 6to4 relays
	"192.168.0.0/16",    // private
	"192.175.48.0/24",   // AS112
	"198.18.0.0/15",     // benchmarks
	"198.51.100.0/24",   // documentation
	"203.0.113.0/24",    // documentation
	"224.0.0.0/4",       // multicast
	"240.0.0.0/4",       // reserved, broadcast
	"2001::/23",         // protocol assignments: Teredo, ORCHID, benchmarks
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

// unicast6 is the only part of IPv6 that is handed out. Loopback, mapped and compatible IPv4,
// NAT64, unique local, link-local and multicast addresses all lie outside.
var unicast6 = netip.MustParsePrefix("2000::/3")

// IsPublic reports whether an address is reachable by everybody: global unicast and in no special
// range.
func IsPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is4In6() {
		return false
	}
	if a.Is6() && !unicast6.Contains(a) {
		return false
	}
	return !within(special, a)
}

// ParsePrefixes reads a comma-separated list of CIDRs; a lone address is a prefix of one.
// fault.Invalid names the part that is neither.
func ParsePrefixes(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			a, aerr := netip.ParseAddr(part)
			if aerr != nil || a.Zone() != "" {
				return nil, fault.New(fault.Invalid, "%q is not a CIDR such as 10.1.0.0/16", part)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, fault.New(fault.Invalid, "%q: write an IPv4 range as IPv4", part)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}
