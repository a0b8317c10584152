package event

// object enters an object and returns true; anything else is passed over, and remarked unless null.
func (r *reader) object(name string) bool {
	if r.kind() == '{' {
		r.enter(name)
		r.open()
		return true
	}
	if !r.null() {
		r.invalid(name, "an object")
	}
	return false
}

// logEntry reads a message as text or object. Of several members the one of highest rank counts.
// Rule: getsentry/relay relay-event-schema/src/protocol/logentry.rs
func (d *decoding) logEntry(name string, rank int) {
	var l LogEntry
	switch d.kind() {
	case '"':
		l.Formatted = d.text()
	case '{':
		d.enter("logentry")
		d.open()
		for d.next('}') {
			switch key := d.key(); key {
			case "message":
				l.Message = d.lenient(key)
			case "formatted":
				l.Formatted = d.lenient(key)
			case "params":
				if !d.null() {
					l.Params = d.raw(key)
				}
			default:
				d.skip(maxDepth)
			}
		}
		d.leave()
	default:
		l.Formatted = d.lenient("logentry")
	}
	empty := l.Message == "" && l.Formatted == "" && l.Params == nil
	if !empty && rank >= d.message {
		d.e.LogEntry, d.message = &l, rank
	}
}

func (r *reader) template(name string) *Template {
	if !r.object(name) {
		return nil
	}
	t := new(Template)
	for r.next('}') {
		switch key := r.key(); key {
		case "filename":
			t.Filename = r.str(key)
		case "abs_path":
			t.AbsPath = r.str(key)
		case "lineno":
			t.Lineno = r.position(key)
		case "pre_context":
			t.PreContext = r.sourceLines(key)
		case "context_line":
			t.ContextLine = r.str(key)
		case "post_context":
			t.PostContext = r.sourceLines(key)
		default:
			r.skip(maxDepth)
		}
	}
	r.leave()
	return t
}

// breadcrumbs reads what happened before; of too many the newest are kept.
func (r *reader) breadcrumbs(name string) []Breadcrumb {
	total := 0
	r.crumbs = r.crumbs[:0]
	r.wrapper(name, func() {
		r.crumbs, _ = slide(r.crumbs, maxCrumbs)
		r.crumbs = append(r.crumbs, Breadcrumb{})
		r.enterIndex(total)
		r.breadcrumb(&r.crumbs[len(r.crumbs)-1])
		r.leave()
		total++
	})
	kept := r.crumbs[max(0, len(r.crumbs)-maxCrumbs):]
	r.renumber(name, "values", total-len(kept), total)
	return r.kept.crumbs.keep(kept)
}

func (r *reader) breadcrumb(b *Breadcrumb) {
	r.open()
	for r.next('}') {
		switch key := r.key(); key {
		case "timestamp":
			b.Timestamp = r.timestamp(key)
		case "type", "ty":
			b.Type = r.str(key)
		case "category":
			b.Category = r.str(key)
		case "level":
			b.Level = r.level(key)
		case "message":
			b.Message = r.lenient(key)
		case "data":
			b.Data = r.rawObject(key)
		case "event_id":
			b.EventID = r.str(key)
		case "origin":
			b.Origin = r.str(key)
		default:
			r.other(&b.Other, key)
		}
	}
}

// user reads whom the event happened to; unknown members join its data.
func (r *reader) user(name string) *User {
	if !r.object(name) {
		return nil
	}
	u := new(User)
	for r.next('}') {
		switch key := r.key(); key {
		case "id":
			u.ID = r.lenient(key)
		case "email":
			u.Email = r.str(key)
		case "username":
			u.Username = r.lenient(key)
		case "name":
			u.Name = r.lenient(key)
		case "ip_address":
			u.IPAddress = r.str(key)
		case "segment":
			u.Segment = r.lenient(key)
		case "geo":
			u.Geo = r.rawObject(key)
		case "data":
			for _, m := range r.rawObject(key) {
				if u.Data.index(m.Name) < 0 {
					u.Data = append(u.Data, m)
				}
			}
		case "sentry_user":
			r.skip(maxDepth) // computed, see User.Key
		default:
			r.other(&u.Data, key)
		}
	}
	r.leave()
	return u
}

// contexts reads the named blocks of facts.
func (r *reader) contexts(name string) []Context {
	if !r.object(name) {
		return nil
	}
	var out []Context
	for r.next('}') {
		key := r.key()
		if r.kind() != '{' {
			if !r.null() {
				r.invalid(key, "an object")
			}
			continue
		}
		data := r.context(key)
		at := 0
		for at < len(out) && out[at].Name != key {
			at++
		}
		switch {
		case at < len(out):
			out[at].Data = data
		case at < maxList:
			if out == nil {
				out = make([]Context, 0, 8)
			}
			out = append(out, Context{Name: key, Data: data})
		default:
			r.reject(key, "value_too_long", "too many contexts", nil)
		}
	}
	r.leave()
	return out
}

// context reads one block of facts. The response has a node budget of its own, like body.
func (r *reader) context(name string) Object {
	if name != "response" {
		return r.rawObject(name)
	}
	nodes := r.nodes
	r.nodes = 0
	data := r.rawObject(name)
	r.nodes = nodes
	return data
}

// texts reads a list of strings, or one string; what has no text is dropped.
func (r *reader) texts(name string) []string {
	switch r.kind() {
	case '"':
		return []string{r.text()}
	case '[':
	default:
		if !r.null() {
			r.invalid(name, "a list")
		}
		return nil
	}
	var out []string
	total := 0
	r.enter(name)
	r.open()
	for r.next(']') {
		if total++; len(out) == maxList {
			r.skip(maxDepth)
			continue
		}
		if r.null() {
			continue
		}
		if s, ok := r.lenientText(); ok {
			out = append(out, s)
			continue
		}
		r.enterIndex(len(out))
		r.invalid("", "a string")
		r.leave()
	}
	r.leave()
	if total > maxList {
		r.shortened(name, total)
	}
	return out
}

func (r *reader) sdk(name string) *SDK {
	if !r.object(name) {
		return nil
	}
	s := new(SDK)
	for r.next('}') {
		switch key := r.key(); key {
		case "name":
			s.Name = r.str(key)
		case "version":
			s.Version = r.lenient(key)
		case "integrations":
			s.Integrations = r.texts(key)
		case "features":
			s.Features = r.texts(key)
		case "packages":
			if !r.null() {
				s.Packages = r.raw(key)
			}
		case "settings":
			r.settings(s, key)
		case "client_ip":
			r.skip(maxDepth) // ours to say
		default:
			r.other(&s.Other, key)
		}
	}
	r.leave()
	return s
}

func (r *reader) settings(s *SDK, name string) {
	if !r.object(name) {
		return
	}
	for r.next('}') {
		if key := r.key(); key == "infer_ip" {
			s.InferIP = r.lenient(key)
		} else {
			r.other(&s.Settings, key)
		}
	}
	r.leave()
}

// spans reads the list of spans as it is. It has a node budget of its own.
func (r *reader) spans(name string) Value {
	if r.kind() != '[' {
		if !r.null() {
			r.invalid(name, "a list")
		}
		return nil
	}
	nodes := r.nodes
	r.nodes = maxNodes - maxSpanNodes
	list := r.raw(name)
	r.nodes = nodes
	return list
}

// measurements reads the numbers that a transaction measured. They have a node budget of their
// own, because units are added to them.
func (r *reader) measurements(name string) Object {
	nodes := r.nodes
	r.nodes = 0
	o := r.rawObject(name)
	r.nodes = nodes
	return o
}

// processingErrors reads problems that an earlier step or the client noted.
func (d *decoding) processingErrors(name string) {
	if d.kind() != '[' {
		if !d.null() {
			d.invalid(name, "a list")
		}
		return
	}
	d.enter(name)
	d.list(func() {
		if len(d.e.Errors) == maxErrors {
			d.skip(maxDepth)
			return
		}
		var p ProcessingError
		d.open()
		for d.next('}') {
			switch key := d.key(); key {
			case "type":
				p.Type = d.str(key)
			case "name":
				p.Name = d.lenient(key)
			case "value":
				if !d.null() {
					p.Value = d.raw(key)
				}
			default:
				d.skip(maxDepth)
			}
		}
		if p.Type != "" {
			d.e.Errors = append(d.e.Errors, p)
		}
	})
	d.leave()
}
