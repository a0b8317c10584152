package view

import "github.com/a-h/templ"

// current marks a link as the one the reader is at.
func current(yes bool) templ.Attributes {
	if !yes {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

// describedBy ties a field to the text that explains what is wrong with it.
func describedBy(yes bool, id string) templ.Attributes {
	if !yes {
		return nil
	}
	return templ.Attributes{"aria-describedby": id, "aria-invalid": "true"}
}

// pressed marks the choice that holds.
func pressed(yes bool) templ.Attributes {
	if !yes {
		return nil
	}
	return templ.Attributes{"aria-current": "true"}
}

// awayMark marks a page that stands for one which scripts ask for until it is there.
func awayMark(yes bool) templ.Attributes {
	if !yes {
		return nil
	}
	return templ.Attributes{"data-away": ""}
}

// lazy names the address of what unfolds.
func lazy(address string) templ.Attributes {
	if address == "" {
		return nil
	}
	return templ.Attributes{"data-body": address}
}

// bodyState is what scripts must know of the reader.
func bodyState(p Page) templ.Attributes {
	if p.Viewer == nil || !p.Viewer.KeysOff {
		return nil
	}
	return templ.Attributes{"data-keys": "off"}
}

// navCommand ties an entry of the rail to the keys that lead there.
func navCommand(n NavItem) templ.Attributes {
	if n.Cmd == "" {
		return templ.Attributes{"title": n.Label}
	}
	return Cmd(n.Cmd)
}

// other is the value that a button switches to.
func other(value, set string) string {
	if value == set {
		return ""
	}
	return set
}

func (l Look) otherTheme() string {
	if l.Theme == "dark" {
		return "light"
	}
	return "dark"
}

// follow makes scripts look again from time to time for as long as something goes on.
func follow(going bool) templ.Attributes {
	if !going {
		return nil
	}
	return templ.Attributes{"data-follow": "2"}
}
