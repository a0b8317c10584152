package event

// cut holds a text to its limit and remarks what it was.
func (n *normalizer) cut(s *string, l limit, p place, name string) {
	if len(*s) <= l.max+l.allow {
		return
	}
	short, length := cutText(*s, l)
	if length == 0 {
		return
	}
	*s = short
	n.remarkCut(p.path(name), l.max-3, l.max, length)
}

func (n *normalizer) remarkCut(path string, start, end, length int) {
	n.Meta = n.Meta.add(path, Remarks{
		Remarks: []Remark{{Rule: "!limit", Kind: "s", Start: start, End: end}}, Length: length,
	})
}

// wasCut reports whether a field has been cut before.
func (n *normalizer) wasCut(path string) bool {
	for _, r := range n.Meta[path].Remarks {
		if r.Rule == "!limit" {
			return true
		}
	}
	return false
}

// trim holds every text and every free-form part to its limit.
// Rule: getsentry/relay relay-event-normalization/src/trimming.rs
func (n *normalizer) trim() {
	root := at("")
	n.cut(&n.Logger, limitLogger, root, "logger")
	n.cut(&n.Transaction, limitCulprit, root, "transaction")
	n.cut(&n.Culprit, limitCulprit, root, "culprit")
	n.cut(&n.Checksum, limitKey, root, "checksum")
	n.cut(&n.TransactionSource, limitKey, at("transaction_info"), "source")
	n.fit(&n.TransactionInfo, bagContext, root, "transaction_info")
	n.fitValue(&n.Spans, bagSpans, root, "spans")
	n.trimLogEntry()
	for i := range n.Exceptions {
		n.trimException(&n.Exceptions[i], i)
	}
	n.trimStack(n.Stacktrace, "", -1, "stacktrace.frames")
	for i := range n.Threads {
		t := &n.Threads[i]
		p := place{"threads.values", i, "", -1}
		n.cut(&t.ID, limitKey, p, "id")
		n.cut(&t.Name, limitSymbol, p, "name")
		n.trimStack(t.Stacktrace, "threads.values", i, "stacktrace.frames")
		n.trimStack(t.RawStacktrace, "threads.values", i, "raw_stacktrace.frames")
	}
	for i := range n.Breadcrumbs {
		n.trimBreadcrumb(&n.Breadcrumbs[i], i)
	}
	n.trimUser()
	n.trimRequest()
	for i := range n.Contexts {
		c := &n.Contexts[i]
		n.fit(&c.Data, bagContext, at("contexts"), c.Name)
	}
	n.fitItems(n.Extra, bagExtraItem, "extra")
	n.fit(&n.Extra, bagExtra, root, "extra")
}

func (n *normalizer) trimLogEntry() {
	l := n.LogEntry
	if l == nil {
		return
	}
	p := at("logentry")
	n.cut(&l.Message, limitMessage, p, "message")
	n.cut(&l.Formatted, limitMessage, p, "formatted")
	n.fitValue(&l.Params, bagVars, p, "params")
	if l.Message == l.Formatted {
		l.Message = ""
	}
}

func (n *normalizer) trimException(x *Exception, i int) {
	p := place{"exception.values", i, "", -1}
	n.cut(&x.Type, limitSymbol, p, "type")
	n.cut(&x.Value, limitMessage, p, "value")
	n.cut(&x.Module, limitSymbol, p, "module")
	n.cut(&x.ThreadID, limitKey, p, "thread_id")
	if m := x.Mechanism; m != nil {
		p := place{"exception.values", i, "mechanism", -1}
		n.cut(&m.Type, limitKey, p, "type")
		n.cut(&m.Description, limitMessage, p, "description")
		n.cut(&m.HelpLink, limitPath, p, "help_link")
		n.fit(&m.Data, bagContext, p, "data")
	}
	n.trimStack(x.Stacktrace, "exception.values", i, "stacktrace.frames")
	n.trimStack(x.RawStacktrace, "exception.values", i, "raw_stacktrace.frames")
}

func (n *normalizer) trimStack(s *Stacktrace, list string, i int, frames string) {
	if s == nil {
		return
	}
	for j := range s.Frames {
		f := &s.Frames[j]
		p := place{list, i, frames, j}
		if list == "" {
			p = place{frames, j, "", -1}
		}
		n.cut(&f.Function, limitFunction, p, "function")
		n.cut(&f.RawFunction, limitFunction, p, "raw_function")
		n.cut(&f.Symbol, limitFunction, p, "symbol")
		n.cut(&f.Filename, limitPath, p, "filename")
		n.cut(&f.AbsPath, limitPath, p, "abs_path")
		if f.Vars != nil {
			n.fit(&f.Vars, bagVars, p, "vars")
		}
		if f.ContextLine != nil && len(*f.ContextLine) > limitMessage.max {
			line := *f.ContextLine
			n.cut(&line, limitMessage, p, "context_line")
			f.ContextLine = &line
		}
	}
}

func (n *normalizer) trimBreadcrumb(b *Breadcrumb, i int) {
	p := place{"breadcrumbs.values", i, "", -1}
	n.cut(&b.Type, limitKey, p, "type")
	n.cut(&b.Category, limitKey, p, "category")
	n.cut(&b.Message, limitMessage, p, "message")
	n.fit(&b.Data, bagCrumb, p, "data")
}

func (n *normalizer) trimUser() {
	u := n.User
	if u == nil {
		return
	}
	p := at("user")
	n.cut(&u.ID, limitKey, p, "id")
	n.cut(&u.Email, limitEmail, p, "email")
	n.cut(&u.Username, limitKey, p, "username")
	n.cut(&u.Name, limitKey, p, "name")
	n.fit(&u.Data, bagUser, p, "data")
}

func (n *normalizer) trimRequest() {
	q := n.Request
	if q == nil {
		return
	}
	p := at("request")
	n.cut(&q.URL, limitURL, p, "url")
	n.cut(&q.Fragment, limitFragment, p, "fragment")
	n.fitPairs(&q.Query, bagRequest.size, p, "query_string")
	n.fitPairs(&q.Cookies, bagRequest.size, p, "cookies")
	n.fitPairs(&q.Headers, bagRequest.size, p, "headers")
	n.fitValue(&q.Data, bagRequest, p, "data")
	n.fit(&q.Env, bagRequest, p, "env")
}
