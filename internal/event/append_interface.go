package event

import "strconv"

func (l *LogEntry) append(dst []byte) []byte {
	if l == nil {
		return dst
	}
	dst = append(appendName(dst, "logentry"), '{')
	dst = appendText(dst, "message", l.Message)
	dst = appendText(dst, "formatted", l.Formatted)
	return append(appendValue(dst, "params", l.Params), '}')
}

func appendExceptions(dst []byte, list []Exception) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, "exception"), `{"values":[`...)
	for i := range list {
		x := &list[i]
		dst = append(comma(dst), '{')
		dst = appendText(dst, "type", x.Type)
		dst = appendText(dst, "value", x.Value)
		dst = appendText(dst, "module", x.Module)
		dst = appendText(dst, "thread_id", x.ThreadID)
		dst = x.Mechanism.append(dst)
		dst = x.Stacktrace.append(dst, "stacktrace")
		dst = x.RawStacktrace.append(dst, "raw_stacktrace")
		dst = append(appendMembers(dst, x.Other), '}')
	}
	return append(dst, "]}"...)
}

func (m *Mechanism) append(dst []byte) []byte {
	if m == nil {
		return dst
	}
	dst = append(appendName(dst, "mechanism"), '{')
	dst = appendText(dst, "type", m.Type)
	dst = appendText(dst, "description", m.Description)
	dst = appendText(dst, "help_link", m.HelpLink)
	dst = appendText(dst, "source", m.Source)
	dst = appendBool(dst, "handled", m.Handled)
	dst = appendBool(dst, "synthetic", m.Synthetic)
	dst = appendBool(dst, "is_exception_group", m.IsExceptionGroup)
	dst = appendInteger(dst, "exception_id", m.ExceptionID)
	dst = appendInteger(dst, "parent_id", m.ParentID)
	dst = appendObject(dst, "data", m.Data)
	dst = appendObject(dst, "meta", m.Meta)
	return append(appendMembers(dst, m.Other), '}')
}

func (s *Stacktrace) append(dst []byte, name string) []byte {
	if s == nil {
		return dst
	}
	dst = append(appendName(dst, name), '{')
	if len(s.Frames) > 0 {
		dst = append(dst, `"frames":[`...)
		for i := range s.Frames {
			dst = s.Frames[i].append(comma(dst))
		}
		dst = append(dst, ']')
	}
	dst = appendObject(dst, "registers", s.Registers)
	dst = appendText(dst, "lang", s.Lang)
	dst = appendBool(dst, "snapshot", s.Snapshot)
	dst = appendValue(dst, "frames_omitted", s.FramesOmitted)
	return append(appendMembers(dst, s.Other), '}')
}

func (f *Frame) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, "function", f.Function)
	dst = appendText(dst, "raw_function", f.RawFunction)
	dst = appendText(dst, "symbol", f.Symbol)
	dst = appendText(dst, "module", f.Module)
	dst = appendText(dst, "package", f.Package)
	dst = appendText(dst, "filename", f.Filename)
	dst = appendText(dst, "abs_path", f.AbsPath)
	dst = appendText(dst, "platform", f.Platform)
	dst = appendText(dst, "lang", f.Lang)
	dst = appendPosition(dst, "lineno", f.Lineno)
	dst = appendPosition(dst, "colno", f.Colno)
	dst = appendTexts(dst, "pre_context", f.PreContext)
	if f.ContextLine != nil {
		dst = appendString(appendName(dst, "context_line"), *f.ContextLine)
	}
	dst = appendTexts(dst, "post_context", f.PostContext)
	dst = appendBool(dst, "in_app", f.InApp)
	dst = appendBool(dst, "stack_start", f.StackStart)
	dst = appendObject(dst, "vars", f.Vars)
	dst = appendText(dst, "instruction_addr", f.InstructionAddr)
	dst = appendText(dst, "symbol_addr", f.SymbolAddr)
	dst = appendText(dst, "image_addr", f.ImageAddr)
	dst = appendText(dst, "addr_mode", f.AddrMode)
	dst = appendText(dst, "trust", f.Trust)
	dst = appendText(dst, "source_link", f.SourceLink)
	dst = f.Data.append(dst)
	dst = appendValue(dst, "lock", f.Lock)
	return append(appendMembers(dst, f.Other), '}')
}

func (d *FrameData) append(dst []byte) []byte {
	mark := len(dst)
	dst = append(appendName(dst, "data"), '{')
	open := len(dst)
	dst = appendText(dst, "sourcemap", d.Sourcemap)
	dst = appendText(dst, "resolved_with", d.ResolvedWith)
	dst = appendText(dst, "category", d.Category)
	dst = appendInteger(dst, "orig_in_app", d.OrigInApp)
	dst = appendBool(dst, "client_in_app", d.ClientInApp)
	dst = appendText(dst, "orig_context_line", d.OrigContextLine)
	dst = appendMembers(dst, d.Other)
	if len(dst) == open {
		return dst[:mark]
	}
	return append(dst, '}')
}

func appendThreads(dst []byte, list []Thread) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, "threads"), `{"values":[`...)
	for i := range list {
		t := &list[i]
		dst = append(comma(dst), '{')
		dst = appendText(dst, "id", t.ID)
		dst = appendText(dst, "name", t.Name)
		dst = appendText(dst, "state", t.State)
		dst = appendBool(dst, "crashed", t.Crashed)
		dst = appendBool(dst, "current", t.Current)
		dst = appendBool(dst, "main", t.Main)
		dst = appendValue(dst, "held_locks", t.HeldLocks)
		dst = t.Stacktrace.append(dst, "stacktrace")
		dst = t.RawStacktrace.append(dst, "raw_stacktrace")
		dst = append(appendMembers(dst, t.Other), '}')
	}
	return append(dst, "]}"...)
}

func (t *Template) append(dst []byte) []byte {
	if t == nil {
		return dst
	}
	dst = append(appendName(dst, "template"), '{')
	dst = appendText(dst, "filename", t.Filename)
	dst = appendText(dst, "abs_path", t.AbsPath)
	dst = appendPosition(dst, "lineno", t.Lineno)
	dst = appendTexts(dst, "pre_context", t.PreContext)
	dst = appendText(dst, "context_line", t.ContextLine)
	return append(appendTexts(dst, "post_context", t.PostContext), '}')
}

func appendBreadcrumbs(dst []byte, list []Breadcrumb) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, "breadcrumbs"), `{"values":[`...)
	for i := range list {
		b := &list[i]
		dst = append(comma(dst), '{')
		dst = appendTime(dst, "timestamp", b.Timestamp)
		dst = appendText(dst, "type", b.Type)
		dst = appendText(dst, "category", b.Category)
		dst = appendText(dst, "level", b.Level.String())
		dst = appendText(dst, "message", b.Message)
		dst = appendObject(dst, "data", b.Data)
		dst = appendText(dst, "event_id", b.EventID)
		dst = appendText(dst, "origin", b.Origin)
		dst = append(appendMembers(dst, b.Other), '}')
	}
	return append(dst, "]}"...)
}

func (u *User) append(dst []byte) []byte {
	if u == nil {
		return dst
	}
	dst = append(appendName(dst, "user"), '{')
	dst = appendText(dst, "id", u.ID)
	dst = appendText(dst, "email", u.Email)
	dst = appendText(dst, "username", u.Username)
	dst = appendText(dst, "name", u.Name)
	dst = appendText(dst, "ip_address", u.IPAddress)
	dst = appendText(dst, "segment", u.Segment)
	dst = appendObject(dst, "geo", u.Geo)
	return append(appendObject(dst, "data", u.Data), '}')
}

func (q *Request) append(dst []byte) []byte {
	if q == nil {
		return dst
	}
	dst = append(appendName(dst, "request"), '{')
	dst = appendText(dst, "url", q.URL)
	dst = appendText(dst, "method", q.Method)
	dst = appendPairs(dst, "query_string", q.Query)
	dst = appendText(dst, "fragment", q.Fragment)
	dst = appendPairs(dst, "cookies", q.Cookies)
	dst = appendPairs(dst, "headers", q.Headers)
	dst = appendValue(dst, "data", q.Data)
	dst = appendObject(dst, "env", q.Env)
	dst = appendText(dst, "inferred_content_type", q.InferredContentType)
	dst = appendText(dst, "api_target", q.APITarget)
	return append(appendMembers(dst, q.Other), '}')
}

func (s *SDK) append(dst []byte) []byte {
	if s == nil {
		return dst
	}
	dst = append(appendName(dst, "sdk"), '{')
	dst = appendText(dst, "name", s.Name)
	dst = appendText(dst, "version", s.Version)
	dst = appendTexts(dst, "integrations", s.Integrations)
	dst = appendTexts(dst, "features", s.Features)
	dst = appendValue(dst, "packages", s.Packages)
	if s.InferIP != "" || len(s.Settings) > 0 {
		dst = appendText(append(appendName(dst, "settings"), '{'), "infer_ip", s.InferIP)
		dst = append(appendMembers(dst, s.Settings), '}')
	}
	return append(appendMembers(dst, s.Other), '}')
}

func appendErrors(dst []byte, list []ProcessingError) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, "errors"), '[')
	for i := range list {
		dst = appendText(append(comma(dst), '{'), "type", list[i].Type)
		dst = appendText(dst, "name", list[i].Name)
		dst = append(appendValue(dst, "value", list[i].Value), '}')
	}
	return append(dst, ']')
}

func appendRemarks(dst []byte, r Remarks) []byte {
	dst = append(dst, '{')
	if len(r.Remarks) > 0 {
		dst = append(dst, `"rem":[`...)
		for _, m := range r.Remarks {
			dst = appendString(append(comma(dst), '['), m.Rule)
			dst = appendString(append(dst, ','), m.Kind)
			if m.Start != 0 || m.End != 0 {
				dst = strconv.AppendInt(append(dst, ','), int64(m.Start), 10)
				dst = strconv.AppendInt(append(dst, ','), int64(m.End), 10)
			}
			dst = append(dst, ']')
		}
		dst = append(dst, ']')
	}
	if len(r.Errors) > 0 {
		dst = append(appendName(dst, "err"), '[')
		for _, e := range r.Errors {
			if dst = comma(dst); len(e.Data) == 0 {
				dst = appendString(dst, e.Kind)
				continue
			}
			dst = appendString(append(dst, '['), e.Kind)
			dst = append(appendMembers(append(dst, ",{"...), e.Data), "}]"...)
		}
		dst = append(dst, ']')
	}
	dst = appendPosition(dst, "len", r.Length)
	return append(appendValue(dst, "val", r.Value), '}')
}
