package grouping

import "testing"

func TestFingerprintRulesLookAtOneItem(t *testing.T) {
	t.Parallel()
	const (
		frames = `"stacktrace":{"frames":[{"function":"go","filename":"a/b.go","abs_path":"/src/a/b.go","in_app":true}]}`
		log    = `{"logentry":{"formatted":" Disk full "},"level":"error","release":"shop@1.2"}`
		errors = `{"platform":"go","exception":{"values":[{"type":"IOError"},{"type":"Wrap","value":" all lost ",` + frames + `}]}}`
		lone   = `{"threads":{"values":[{"id":1,` + frames + `}]}}`
		crash  = `{"threads":{"values":[{"id":1},{"id":2,"crashed":true,` + frames + `},{"id":3,"current":true}]}}`
		two    = `{"threads":{"values":[{"id":1,` + frames + `},{"id":2,` + frames + `}]}}`
		django = `{"message":"x","sdk":{"name":"sentry.python.django","version":"2"}}`
		next   = `{"message":"x","sdk":{"name":"sentry.javascript.nextjs","version":"8"}}`
		unity  = `{"message":"x","sdk":{"name":"sentry_unity","version":"8"}}`
		raven  = `{"message":"x","sdk":{"name":"raven-js","version":"3"}}`
		tagged = `{"message":"x","tags":{"shop":"nord"}}`
	)
	for _, c := range []struct {
		rule, event string
		want        bool
	}{
		{`message:"disk full"`, log, true},
		{`message:"all lost"`, errors, true},
		{`!message:"all lost"`, errors, true}, // the first exception has no value
		{`!message:*`, log, false},
		{`type:IOError value:*lost*`, errors, false}, // not the same exception
		{`type:IOError message:*lost*`, errors, true},
		{`path:b.go`, errors, false},
		{`path:a/*.go`, errors, true},
		{`!path:a/*.go`, errors, false}, // the filename matches, although the path does not
		{`!path:**/c.go`, errors, true},
		{`function:go app:yes`, lone, true},
		{`function:go app:NO`, lone, false},
		{`function:go app:True`, lone, true},
		{`function:go`, crash, true},
		{`function:go`, two, false},
		{`!function:go`, log, false}, // no frame
		{`release:shop@*`, log, true},
		{`!release:shop@*`, errors, true}, // no release is not that release
		{`release:*`, errors, false},
		{`sdk:sentry.python`, django, true},
		{`sdk:sentry.python.django`, django, false},
		{`sdk:sentry.php,sentry.javascript.nextjs`, next, true},
		{`sdk:sentry.native.unity`, unity, true},
		{`sdk:other`, raven, true},
		{`sdk:other`, log, true},
		{`!sdk:all`, next, false},
		{`tags.shop:nord`, tagged, true},
		{`!tags.shop:nord`, tagged, false},
		{`!tags.shop:nord`, log, true}, // no tags at all
		{`tags.shop:*`, log, false},
	} {
		g := New(Newest(), compile(t, "", c.rule+" -> found"))
		r := g.Assign(decode(t, []byte(c.event)))
		if got := r.FingerprintSource == SourceServer; got != c.want {
			t.Errorf("%s on %s: %t, want %t", c.rule, c.event, got, c.want)
		}
	}
}

func TestVariablesAreWholeEntries(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"{{ default }}": "default", "{{default}}": "default", "{{\tdefault\n}}": "default", "{{ a.b }}": "a.b", "{{a}}b}}": "a}}b",
		" {{ default }}": "", "{{ default }} ": "", "{{ }}": "", "{{}}": "", "{{ a b }}": "", "{ a }": "", "x{{ a }}": "",
	} {
		if got, ok := variableName(entry); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t, want %q", entry, got, ok, want)
		}
	}
}
