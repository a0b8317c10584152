package event

import (
	"net/netip"
)

// autoIP is what clients send to ask for the address of the connection.
const autoIP = "{{auto}}"

// addresses settles the IP address of the user.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (normalize_ip_addresses)
func (n *normalizer) addresses() {
	client := ""
	if n.d.ClientIP.IsValid() {
		client = n.d.ClientIP.Unmap().WithZone("").String()
	}
	mode := ""
	if n.SDK != nil && n.SDK.InferIP != "legacy" {
		mode = n.SDK.InferIP
	}
	n.remoteAddress(mode, client)
	if n.User != nil && n.User.IPAddress != "" && n.User.IPAddress != autoIP {
		if _, err := netip.ParseAddr(n.User.IPAddress); err == nil {
			return
		}
		n.lost("user.ip_address", "invalid_data", "expected an IP address", n.User.IPAddress)
		n.User.IPAddress = ""
	}
	asked := n.User != nil && n.User.IPAddress == autoIP
	if asked {
		n.User.IPAddress = ""
	}
	switch {
	case n.Type.security() || n.Type == TypeNEL:
		n.setIP(client)
	case mode == "auto":
		n.setIP(client)
	case mode == "":
		n.legacyIP(asked, client)
	}
}

// remoteAddress answers {{auto}} in the environment of the request.
func (n *normalizer) remoteAddress(mode, client string) {
	if n.Request == nil || n.Request.Env.text("REMOTE_ADDR") != autoIP {
		return
	}
	if client == "" || mode != "" && mode != "auto" {
		n.Request.Env = n.Request.Env.without("REMOTE_ADDR")
		return
	}
	n.Request.Env = n.Request.Env.with("REMOTE_ADDR", TextValue(client))
}

// legacyIP is the rule for clients that do not say what they want.
func (n *normalizer) legacyIP(asked bool, client string) {
	if asked && client != "" {
		n.setIP(client)
		return
	}
	if n.Request != nil {
		if addr, err := netip.ParseAddr(n.Request.Env.text("REMOTE_ADDR")); err == nil {
			n.setIP(addr.String())
			return
		}
	}
	switch n.Platform {
	case "javascript", "cocoa", "objc":
		n.setIP(client)
	}
}

// geo says where the user's address is, unless the client did.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (normalize_user_geoinfo)
func (n *normalizer) geo() {
	if n.d.Geo == nil || n.User == nil || n.User.Geo != nil {
		return
	}
	addr, err := netip.ParseAddr(n.User.IPAddress)
	if err != nil {
		return
	}
	g := n.d.Geo(addr)
	for _, m := range [...]struct{ name, text string }{
		{"country_code", g.CountryCode}, {"city", g.City}, {"subdivision", g.Subdivision}, {"region", g.Region},
	} {
		if m.text != "" {
			n.User.Geo = append(n.User.Geo, Member{m.name, TextValue(m.text)})
		}
	}
}

func (n *normalizer) setIP(ip string) {
	if ip == "" {
		return
	}
	if n.User == nil {
		n.User = new(User)
	}
	n.User.IPAddress = ip
}

// user drops a user about whom nothing is known.
func (n *normalizer) user() {
	u := n.User
	if u != nil && u.Key() == "" && u.Name == "" && u.Segment == "" && u.Geo == nil && u.Data == nil {
		n.User = nil
	}
}
