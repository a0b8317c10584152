package event

func (r *reader) frame(f *Frame) {
	r.open()
	for r.next('}') {
		key := r.key()
		if to := f.textField(key); to != nil {
			*to = r.str(key)
		} else if !r.frameSource(f, key) {
			r.frameRest(f, key)
		}
	}
}

// textField is the field of a frame member that must be a string.
func (f *Frame) textField(key string) *string {
	switch key {
	case "function":
		return &f.Function
	case "filename":
		return &f.Filename
	case "abs_path":
		return &f.AbsPath
	case "module":
		return &f.Module
	case "package":
		return &f.Package
	case "raw_function":
		return &f.RawFunction
	case "symbol":
		return &f.Symbol
	case "platform":
		return &f.Platform
	case "lang":
		return &f.Lang
	case "addr_mode":
		return &f.AddrMode
	case "trust":
		return &f.Trust
	case "source_link":
		return &f.SourceLink
	}
	return nil
}

// frameSource reads the members of interpreted languages; false when key is none of them.
func (r *reader) frameSource(f *Frame, key string) bool {
	switch key {
	case "lineno":
		f.Lineno = r.position(key)
	case "colno":
		f.Colno = r.position(key)
	case "in_app":
		f.InApp = r.boolean(key)
	case "pre_context":
		f.PreContext = r.sourceLines(key)
	case "context_line":
		f.ContextLine = r.sourceLine(key)
	case "post_context":
		f.PostContext = r.sourceLines(key)
	case "vars":
		f.Vars = r.variables(key)
	case "stack_start":
		f.StackStart = r.boolean(key)
	case "data":
		r.frameData(&f.Data, key)
	default:
		return false
	}
	return true
}

func (r *reader) frameRest(f *Frame, key string) {
	switch key {
	case "instruction_addr":
		f.InstructionAddr = r.address(key)
	case "symbol_addr":
		f.SymbolAddr = r.address(key)
	case "image_addr":
		f.ImageAddr = r.address(key)
	case "lock":
		if !r.null() {
			f.Lock = r.raw(key)
		}
	default:
		r.other(&f.Other, key)
	}
}

// room makes sure that n more lines fit the arena without moving it.
func (r *reader) room(n int) {
	if cap(r.kept.lines)-len(r.kept.lines) < n {
		r.kept.lines = make([]string, 0, n+min(512, 2*cap(r.kept.lines)))
	}
}

func (r *reader) sourceLine(name string) *string {
	if r.kind() != '"' {
		if !r.null() {
			r.invalid(name, "a string")
		}
		return nil
	}
	r.room(1)
	r.kept.lines = append(r.kept.lines, r.text())
	return &r.kept.lines[len(r.kept.lines)-1]
}

// sourceLines reads a list of strings; what is no string becomes an empty line.
func (r *reader) sourceLines(name string) []string {
	if r.kind() != '[' {
		if !r.null() {
			r.invalid(name, "a list")
		}
		return nil
	}
	r.room(maxList)
	start, total := len(r.kept.lines), 0
	r.enter(name)
	r.open()
	for r.next(']') {
		if total++; total > maxList {
			r.skip(maxDepth)
			continue
		}
		r.enterIndex(total - 1)
		r.kept.lines = append(r.kept.lines, r.str(""))
		r.leave()
	}
	r.leave()
	if total > maxList {
		r.shortened(name, total)
	}
	if len(r.kept.lines) == start {
		return nil
	}
	return r.kept.lines[start:len(r.kept.lines):len(r.kept.lines)]
}

// variables reads local variables: an object, or a list whose indexes become the names.
func (r *reader) variables(name string) Object {
	if r.kind() != '[' {
		return r.rawObject(name)
	}
	r.enter(name)
	r.open()
	r.members = r.members[:0]
	for n := 0; r.next(']'); n++ {
		key := itoa(n)
		if v := r.raw(key); v != nil {
			r.members = append(r.members, Member{Name: key, Value: v})
		}
	}
	r.leave()
	return r.kept.members.keep(lastOfEach(r.members))
}

// frameData reads what an earlier processing wrote. A member of another type than ours stays as
// the client sent it.
func (r *reader) frameData(d *FrameData, name string) {
	if r.kind() != '{' {
		if !r.null() {
			r.invalid(name, "an object")
		}
		return
	}
	r.enter(name)
	r.open()
	for r.next('}') {
		key := r.key()
		to := d.textField(key)
		switch c := r.kind(); {
		case to != nil && c == '"':
			*to = r.text()
		case key == "orig_in_app" && (c == '-' || c >= '0' && c <= '9'):
			d.OrigInApp = r.integerPointer(key)
		case key == "client_in_app" && (c == 't' || c == 'f'):
			d.ClientInApp = r.boolean(key)
		default:
			r.other(&d.Other, key)
		}
	}
	r.leave()
}

func (d *FrameData) textField(key string) *string {
	switch key {
	case "sourcemap":
		return &d.Sourcemap
	case "resolved_with":
		return &d.ResolvedWith
	case "category":
		return &d.Category
	case "orig_context_line":
		return &d.OrigContextLine
	}
	return nil
}
