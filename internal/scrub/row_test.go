package scrub_test

import (
	"encoding/json"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

// row is a line of the protocol's conformance table.
type row struct {
	name     string
	settings scrub.Settings
	payload  string
	want     map[string]string // JSON text by path
}

func piiConfig(s string) scrub.Settings { return scrub.Settings{PIIConfig: json.RawMessage(s)} }

var rows = []row{
	{
		"79 secret names in extra", scrub.Defaults(),
		`{"extra":{"password":"x","apiKey":"y","otp":"z","foo":"bar"}}`,
		map[string]string{
			"extra.password": `"[Filtered]"`, "extra.apiKey": `"[Filtered]"`, "extra.otp": `"[Filtered]"`, "extra.foo": `"bar"`,
			"_meta.extra.password.~.rem": `[["@password:filter","s",0,10]]`, "_meta.extra.password.~.len": "1",
		},
	},
	{
		"80 exception value that names a password", scrub.Defaults(),
		`{"exception":{"values":[{"type":"E","value":"wrong password"}]}}`,
		map[string]string{"exception.values.0.value": `"wrong password"`, "_meta": ""},
	},
	{
		"81 cookies", scrub.Defaults(),
		`{"request":{"cookies":{"csrf_token":"a","not_sensitive":"c","SESSIONID":"d"},"headers":{"X-A":"1"}},
		  "contexts":{"response":{"type":"response","cookies":{"session":"e","theme":"f"}}}}`,
		map[string]string{
			"request.cookies":                           `[["SESSIONID","[Filtered]"],["csrf_token","[Filtered]"],["not_sensitive","c"]]`,
			"_meta.request.cookies.0.1.~.rem":           `[["@anything:filter","s",0,10]]`,
			"contexts.response.cookies":                 `[["session","[Filtered]"],["theme","f"]]`,
			"_meta.contexts.response.cookies.0.1.~.len": "1",
		},
	},
	{
		"82 addresses", scrub.Settings{ScrubIPAddresses: true},
		`{"type":"transaction","user":{"id":"1","ip_address":"203.0.113.9"},"request":{"env":{"REMOTE_ADDR":"203.0.113.9","X":"from 10.0.0.1:80"}},
		  "sdk":{"name":"a","version":"1","client_ip":"203.0.113.9"},
		  "spans":[{"op":"http 10.1.1.1","sentry_tags":{"user.ip":"203.0.113.9"}}],
		  "extra":{"a":"see 2001:db8::1, and fe80::1","v":"1.2.3","t":"12:30:45"}}`,
		map[string]string{
			"user": `{"id":"1"}`, "request.env.REMOTE_ADDR": "", "request.env.X": `"from [ip]:80"`, "sdk.client_ip": "",
			"extra.a": `"see [ip], and [ip]"`, "extra.v": `"1.2.3"`, "extra.t": `"12:30:45"`,
			"spans.0.op": `"http 10.1.1.1"`, `spans.0.sentry_tags.user\.ip`: "",
			"_meta.user.ip_address.~.rem": `[["@anything:remove","x"]]`,
		},
	},
	{
		"83 e-mail rule on texts", piiConfig(`{"applications":{"$string":["@email"]}}`),
		`{"extra":{"foo":"ask jane@example.com now"},"tags":{"who":"jane@example.com"}}`,
		map[string]string{
			"extra.foo": `"ask [email] now"`, "_meta.extra.foo.~.rem": `[["@email","s",4,11]]`, "_meta.extra.foo.~.len": "24",
			"tags.0.1": `"jane@example.com"`,
		},
	},
	{
		"86 card number in an attribute and in a list", scrub.Defaults(),
		`{"extra":{"card":"4111-1111-1111-1111","list":["a","pay 5500 0000 0000 0004!"],"n":4111111111111111}}`,
		map[string]string{
			"extra.card": `"[Filtered]"`, "extra.list.1": `"pay [Filtered]!"`, "extra.n": `"[Filtered]"`,
			"_meta.extra.list.1.~.rem": `[["@creditcard:filter","s",4,14]]`, "_meta.extra.list.1.~.len": "24",
		},
	},
	{
		"86 card number in a formatted message", scrub.Defaults(),
		`{"message":"password of jane@example.com is 4111111111111111"}`,
		map[string]string{"logentry.formatted": `"password of [email] is [creditcard]"`},
	},
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			v := scrubbed(t, compile(t, r.settings), r.payload)
			for path, want := range r.want {
				if got := at(t, v, path); got != want {
					t.Errorf("%s: want %s, got %s", path, want, got)
				}
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, rules, where, file, text, want string }{
		{
			"84 address in the named file", `{"a":{"type":"ip","redaction":{"method":"remove"}}}`, `$attachments.'foo.txt'`,
			"foo.txt", "from 192.0.2.17 here", "from ********** here",
		},
		{
			"84 other files stay", `{"a":{"type":"ip","redaction":{"method":"remove"}}}`, `$attachments.'foo.txt'`,
			"bar.txt", "from 192.0.2.17 here", "from 192.0.2.17 here",
		},
		{
			"85 user name in a path", `{"a":{"type":"userpath","redaction":{"method":"remove"}}}`, `$attachments.'log.txt'`,
			"log.txt", `C:\Users\jane\app.log /home/kim/x`, `C:\Users\****\app.log /home/***/x`,
		},
		{
			"all of a file", `{"a":{"type":"anything"}}`, `$attachments.**`, "x.bin", "secret", "******",
		},
		{
			"texts are no files", `{"a":{"type":"anything"}}`, `$string`, "x.bin", "secret", "secret",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			where, err := json.Marshal(tt.where)
			if err != nil {
				t.Fatal(err)
			}
			c := config(t, tt.rules, `{`+string(where)+`:["a"]}`)
			b := []byte(tt.text)
			touched := c.Attachment(tt.file, b)
			if string(b) != tt.want || touched != (tt.want != tt.text) {
				t.Errorf("want %q, got %q (changed: %t)", tt.want, b, touched)
			}
			if c.Attachment(tt.file, b) && tt.name != "all of a file" {
				t.Errorf("masking again changes %q", b)
			}
		})
	}
}

func TestExemptions(t *testing.T) {
	t.Parallel()
	c := compile(t, scrub.Settings{ScrubData: true, ScrubDefaults: true, ExcludeFields: []string{"safe_secret", "$user.email", "b c"}})
	v := scrubbed(t, c, `{"release":"auth@1","transaction":"/auth/login","environment":"auth",
		"exception":{"values":[{"type":"AuthError","value":"Bearer abc","stacktrace":{"frames":[
			{"filename":"auth/secret.py","abs_path":"/srv/auth/secret.py","function":"auth","module":"auth.x","context_line":"password = 1","vars":{"token":"t"}}]}}]},
		"request":{"url":"https://auth.example.com/login","headers":{"User-Agent":"auth-client/1.0","Authorization":"Basic x","X-Api-Key":"k"}},
		"debug_meta":{"images":[{"type":"elf","code_file":"/lib/auth.so"}]},
		"modules":{"oauth":"1.0"},"tags":{"auth":"yes"},"fingerprint":["auth"],
		"user":{"email":"auth@example.com","data":{"secret":1}},
		"extra":{"safe_secret":"auth","b c":"password","other":"password"},
		"csp":{"effective_directive":"auth-src","blocked_uri":"https://cdn.example.com/x"},
		"contexts":{"device":{"name":"secret","custom":"password"},"free":{"k":"password"}}}`)
	for path, want := range map[string]string{
		"release": `"auth@1"`, "transaction": `"/auth/login"`, "exception.values.0.value": `"Bearer abc"`,
		"exception.values.0.stacktrace.frames.0.filename":     `"auth/secret.py"`,
		"exception.values.0.stacktrace.frames.0.function":     `"auth"`,
		"exception.values.0.stacktrace.frames.0.context_line": `"password = 1"`,
		"exception.values.0.stacktrace.frames.0.vars.token":   `"[Filtered]"`,
		"request.url": `"https://auth.example.com/login"`, "debug_meta.images.0.code_file": `"/lib/auth.so"`,
		"modules.oauth": `"1.0"`, "fingerprint": `["auth"]`, "user.email": `"auth@example.com"`,
		"user.data.secret": `"[Filtered]"`, "extra.safe_secret": `"auth"`, "extra.b c": `"password"`,
		"extra.other": `"[Filtered]"`, "contexts.device.name": `"secret"`, "contexts.device.custom": `"[Filtered]"`,
		"contexts.free.k": `"[Filtered]"`,
	} {
		if got := at(t, v, path); got != want {
			t.Errorf("%s: want %s, got %s", path, want, got)
		}
	}
	for name, want := range map[string]string{
		"User-Agent": `"auth-client/1.0"`, "Authorization": `"[Filtered]"`, "X-Api-Key": `"[Filtered]"`,
	} {
		if got := pair(t, v, "request.headers", name); got != want {
			t.Errorf("header %s: want %s, got %s", name, want, got)
		}
	}
	if got := pair(t, v, "tags", "auth"); got != `"yes"` {
		t.Errorf("tag: got %s", got)
	}
}

func TestZeroSettingsChangeNothing(t *testing.T) {
	t.Parallel()
	payload := `{"extra":{"password":"x"},"user":{"ip_address":"1.2.3.4"}}`
	ev := decode(t, payload)
	want := string(ev.AppendJSON(nil))
	compile(t, scrub.Settings{}).Apply(ev)
	if got := string(ev.AppendJSON(nil)); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}

func TestTagsFollowTheFieldsTheyWereMadeFrom(t *testing.T) {
	t.Parallel()
	v := scrubbed(t, compile(t, scrub.Settings{ScrubIPAddresses: true}), `{"user":{"ip_address":"203.0.113.9"}}`)
	if got := pair(t, v, "tags", "user"); got != "" {
		t.Errorf("tag of a removed address: %s", got)
	}
	v = scrubbed(t, compile(t, piiConfig(`{"applications":{"$user.email":["@email:mask"],"$request.url":["@userpath"]}}`)),
		`{"user":{"email":"a@b.co"},"request":{"url":"https://x.example/home/jane/a"}}`)
	if got := pair(t, v, "tags", "user"); got != `"email:******"` {
		t.Errorf("tag of a masked e-mail: %s", got)
	}
	if got := pair(t, v, "tags", "url"); got != `"https://x.example/home/[user]/a"` {
		t.Errorf("tag of a masked URL: %s", got)
	}
}

func TestTextsOfUnreadableFieldsAreForgotten(t *testing.T) {
	t.Parallel()
	v := scrubbed(t, compile(t, scrub.Defaults()), `{"user":"password=hunter2","breadcrumbs":"hello","extra":"token:abc"}`)
	for _, path := range []string{"_meta.user.~.val", "_meta.extra.~.val"} {
		if got := at(t, v, path); got != "" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := at(t, v, "_meta.breadcrumbs.~.val"); got != `"hello"` {
		t.Errorf("harmless original: %s", got)
	}
	for i := range 3 {
		if got := at(t, v, "errors."+string(rune('0'+i))+".value"); got != "" && got != `"hello"` {
			t.Errorf("error %d keeps %s", i, got)
		}
	}
}

func TestStrictFindsSecretsByTheirForm(t *testing.T) {
	t.Parallel()
	s := scrub.Defaults()
	s.Strict = true
	v := scrubbed(t, compile(t, s), `{"message":"login with token=abc123 failed",
		"exception":{"values":[{"type":"E","value":"GET https://u:pw@h/x Bearer abc, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl and AKIAABCDEFGHIJKLMNOP"}]},
		"tags":{"t":"4111111111111111"},"request":{"url":"https://u:pw@h/x"}}`)
	for path, want := range map[string]string{
		"logentry.formatted":       `"login with token=[Filtered] failed"`,
		"exception.values.0.value": `"GET https://u:[Filtered]@h/x [Filtered] [Filtered] and [Filtered]"`,
		"request.url":              `"https://u:[Filtered]@h/x"`,
	} {
		if got := at(t, v, path); got != want {
			t.Errorf("%s: want %s, got %s", path, want, got)
		}
	}
	if got := pair(t, v, "tags", "t"); got != `"[Filtered]"` {
		t.Errorf("tag: %s", got)
	}
}

// TestEventIsStillReadable holds the stored form of a scrubbed event to what Decode reads back.
func TestEventIsStillReadable(t *testing.T) {
	t.Parallel()
	ev := decode(t, rows[0].payload)
	compile(t, scrub.Defaults()).Apply(ev)
	again, err := event.Decode(ev.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(again.Extra.Get("password")); got != `"[Filtered]"` {
		t.Errorf("read back: %s", got)
	}
	if got := again.Meta["extra.password"].Remarks; len(got) != 1 || got[0].Rule != "@password:filter" {
		t.Errorf("remarks read back: %v", got)
	}
}
