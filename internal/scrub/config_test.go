package scrub_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

func TestTypesAndMethods(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, rules, apply, in, out string }{
		{"pattern", `{"r":{"type":"pattern","pattern":"k-\\d+","redaction":{"method":"replace","text":"[k]"}}}`, `["r"]`, "k-1 and k-22", `"[k] and [k]"`},
		{"pattern groups", `{"r":{"type":"pattern","pattern":"(a)=(b)","replaceGroups":[2],"redaction":{"method":"replace"}}}`, `["r"]`, "xa=b", `"xa=[Filtered]"`},
		{"pattern, default method", `{"r":{"type":"pattern","pattern":"b"}}`, `["r"]`, "abc", `"ac"`},
		{"redact_pair by value", `{"r":{"type":"redact_pair","keyPattern":"sec","redaction":{"method":"replace"}}}`, `["r"]`, "a secret", `"[Filtered]"`},
		{"redact_pair by name", `{"r":{"type":"redact_pair","keyPattern":"^v$","redaction":{"method":"mask"}}}`, `["r"]`, "aé", `"**"`},
		{"password", `{}`, `["@password"]`, "my password", ""},
		{"password filter", `{}`, `["@password:filter"]`, "my password", `"[Filtered]"`},
		{"bearer", `{}`, `["@bearer"]`, "h: bearer  abc x", `"h: [token] x"`},
		{"imei", `{}`, `["@imei"]`, "i 35-209900-176148-1 x", `"i [imei] x"`},
		{"mac", `{}`, `["@mac"]`, "m 4a:00:04:10:9b:50", `"m *****************"`},
		{"mac replace", `{}`, `["@mac:replace"]`, "m 4a:00:04:10:9b:50", `"m [mac]"`},
		{"uuid", `{}`, `["@uuid"]`, "u ceee0822-ed8f-4622-b2a3-789e73e75cd1", `"u ************************************"`},
		{"email hash", `{}`, `["@email:hash"]`, "a@b.co", `"4161E89BBB62D2C0B4DAC2C17E1B8A048C553F61"`},
		{"ip", `{}`, `["@ip"]`, "::1 127.0.0.1 1.2.3.4.5 999.1.1.1", `"[ip] [ip] [ip].5 999.1.1.1"`},
		{"credit card mask", `{}`, `["@creditcard:mask"]`, "3782 822463 10005", `"*****************"`},
		{"no credit card", `{}`, `["@creditcard"]`, "1234567812345678 41111111111111111", `"1234567812345678 41111111111111111"`},
		{"iban", `{}`, `["@iban"]`, "DE44500105175407324931 XX44500105175407324931", `"[iban] XX44500105175407324931"`},
		{"userpath", `{}`, `["@userpath"]`, `C:\Users\jane\a /home/jane/b`, `"C:\\Users\\[user]\\a /home/[user]/b"`},
		{"pemkey", `{}`, `["@pemkey"]`, "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", `"-----BEGIN RSA PRIVATE KEY-----\n[pemkey]\n-----END RSA PRIVATE KEY-----"`},
		{"url_auth", `{}`, `["@urlauth"]`, "postgres://u:pw@h/d", `"postgres://u:[auth]@h/d"`},
		{"us_ssn", `{}`, `["@usssn"]`, "s 078-05-1120", `"s ***********"`},
		{"us_ssn filter", `{}`, `["@usssn:filter"]`, "s 078-05-1120", `"s [Filtered]"`},
		{"anything", `{}`, `["@anything"]`, "x", `"[Filtered]"`},
		{"anything remove", `{}`, `["@anything:remove"]`, "x", ""},
		{"common", `{}`, `["@common"]`, "a@b.co 1.2.3.4", `"[email] [ip]"`},
		{"multiple", `{"r":{"type":"multiple","rules":["@ip","@email"],"redaction":{"method":"mask"}}}`, `["r"]`, "a@b.co 1.2.3.4", `"****** *******"`},
		{"alias", `{"r":{"type":"alias","rule":"@ip","hideInner":true}}`, `["r"]`, "1.2.3.4", `"[ip]"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in, err := json.Marshal(map[string]any{"extra": map[string]string{"v": tt.in}})
			if err != nil {
				t.Fatal(err)
			}
			v := scrubbed(t, config(t, tt.rules, `{"$string":`+tt.apply+`}`), string(in))
			if got := at(t, v, "extra.v"); got != tt.out {
				t.Errorf("%s: want %s, got %s", tt.in, tt.out, got)
			}
		})
	}
}

func TestRulesReachEveryKindOfValue(t *testing.T) {
	t.Parallel()
	c := config(t, `{"all":{"type":"anything","redaction":{"method":"replace","text":"x"}},"k":{"type":"redact_pair","keyPattern":"pin"},
		"h":{"type":"multiple","rules":["@email"],"hideInner":true},"s":{"type":"multiple","rules":["@email"]}}`,
		`{"extra.n || extra.b || extra.o || extra.l":["all"],"$number || $object":["k"],"$user":["@anything:remove"],"tags.t":["@anything:mask"],
		  "extra.h":["h"],"extra.s":["s"],"$breadcrumb.message":["@ip"],"$frame.vars.v":["@anything"],"request.query_string.q":["@anything"]}`)
	v := scrubbed(t, c, `{"extra":{"n":1,"b":true,"o":{"a":1},"l":[1],"pin":4711,"deep":{"pinned":{"x":1},"z":null},"h":"a@b.co","s":"a@b.co"},
		"user":{"id":"1"},"tags":{"t":"abc"},"breadcrumbs":[{"message":"to 1.2.3.4"}],
		"exception":[{"type":"E","stacktrace":{"frames":[{"filename":"f","vars":{"v":[1]}}]}}],"request":{"query_string":"q=1&r=2"}}`)
	for path, want := range map[string]string{
		"extra.n": `"x"`, "extra.b": `"x"`, "extra.o": `"x"`, "extra.l": `"x"`, "extra.pin": "", "extra.deep.pinned": "", "user": "",
		"breadcrumbs.values.0.message": `"to [ip]"`, "exception.values.0.stacktrace.frames.0.vars.v": `"[Filtered]"`,
		"request.query_string":                 `[["q","[Filtered]"],["r","2"]]`,
		"_meta.extra.pin.~.rem":                `[["k","x"]]`,
		"_meta.extra.h.~.rem":                  `[["h","s",0,7]]`,
		"_meta.extra.s.~.rem":                  `[["@email","s",0,7]]`,
		"_meta.user.~.rem":                     `[["@anything:remove","x"]]`,
		"_meta.request.query_string.0.1.~.rem": `[["@anything","s",0,10]]`,
	} {
		if got := at(t, v, path); got != want {
			t.Errorf("%s: want %s, got %s", path, want, got)
		}
	}
	if got := pair(t, v, "tags", "t"); got != `"***"` {
		t.Errorf("tag: %s", got)
	}
}

func TestSensitiveFields(t *testing.T) {
	t.Parallel()
	s := scrub.Settings{ScrubData: true, SensitiveFields: []string{" Kunde ", "Größe", "", "x1"}}
	v := scrubbed(t, compile(t, s), `{"extra":{"KundenNr":7,"note":"der kunde","GRÖSSE":"a","GRÖßE":"b","maX1":"c","password":"kept","free":"x 1"}}`)
	for path, want := range map[string]string{
		"KundenNr": `"[Filtered]"`, "note": `"[Filtered]"`, "GRÖßE": `"[Filtered]"`, "maX1": `"[Filtered]"`,
		"password": `"kept"`, "free": `"x 1"`,
	} {
		if got := at(t, v, "extra."+path); got != want {
			t.Errorf("%s: want %s, got %s", path, want, got)
		}
	}
	s.ScrubData = false
	if got := at(t, scrubbed(t, compile(t, s), `{"extra":{"kunde":1}}`), "extra.kunde"); got != "1" {
		t.Errorf("without scrubData: %s", got)
	}
}

func TestEarlierRangesMove(t *testing.T) {
	t.Parallel()
	c := config(t, `{}`, `{"$string":["@email"]}`)
	v := scrubbed(t, c, `{"extra":{"m":"jane@example.com é [ip] a@b.co"},"_meta":{"extra":{"m":{"":{"rem":[["@ip","s",19,23],["lie","s",0,3]],"len":40}}}}}`)
	if got := at(t, v, "extra.m"); got != `"[email] é [ip] [email]"` {
		t.Errorf("text: %s", got)
	}
	want := `[["@email","s",0,7],["@ip","s",10,14],["@email","s",15,22]]`
	if got := at(t, v, "_meta.extra.m.~.rem"); got != want {
		t.Errorf("remarks: want %s, got %s", want, got)
	}
	if got := at(t, v, "_meta.extra.m.~.len"); got != "40" {
		t.Errorf("length: %s", got)
	}
}

func TestEscapesHideNothing(t *testing.T) {
	t.Parallel()
	v := scrubbed(t, compile(t, scrub.Defaults()), `{"extra":{"a":{"\u0070assword":"x"},"b":["\u0041uthorization: x","q\"\\uote"],"c":"41111111\u00311111111"}}`)
	for path, want := range map[string]string{
		"a.password": `"[Filtered]"`, "b.0": `"[Filtered]"`, "b.1": `"q\"\\uote"`, "c": `"[Filtered]"`,
	} {
		if got := at(t, v, "extra."+path); got != want {
			t.Errorf("%s: want %s, got %s", path, want, got)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	nested := `{"r0":{"type":"alias","rule":"r0"}}`
	for raw, want := range map[string]string{
		`[]`: "piiConfig:",
		`{"applications":{"$string &&":["@ip"]}}`:                                           `piiConfig.applications["$string &&"]: position 11`,
		`{"applications":{"$string":["@ip","nope"]}}`:                                       `piiConfig.applications["$string"][1]: no rule is called "nope"`,
		`{"applications":{"$string":["@ip:cook"]}}`:                                         `"@ip:cook"`,
		`{"rules":{"a":{"type":"pattern","pattern":"("}}}`:                                  "piiConfig.rules.a.pattern: error parsing regexp",
		`{"rules":{"a":{"type":"pattern","pattern":"` + strings.Repeat("a", 513) + `"}}}`:   "piiConfig.rules.a.pattern: must have 1 to 512 bytes",
		`{"rules":{"a":{"type":"pattern","pattern":"(a{1,900}){1,1}(b{900}){1,1}c{900}"}}}`: "piiConfig.rules.a.pattern: too complex",
		`{"rules":{"a":{"type":"pattern","pattern":"a(?=b)"}}}`:                             "piiConfig.rules.a.pattern",
		`{"rules":{"a":{"type":"pattern","pattern":"(a)","replaceGroups":[2]}}}`:            "piiConfig.rules.a.replaceGroups[0]",
		`{"rules":{"a":{"type":"redact_pair"}}}`:                                            "piiConfig.rules.a.keyPattern",
		`{"rules":{"a":{"type":"new"}}}`:                                                    `piiConfig.rules.a.type: no type is called "new"`,
		`{"rules":{"a":{"type":"ip","redaction":{"method":"burn"}}}}`:                       "piiConfig.rules.a.redaction.method",
		`{"rules":{"a":{"type":"multiple","rules":["@ip","b"]}}}`:                           `piiConfig.rules.a.rules[1]: no rule is called "b"`,
		`{"rules":` + nested + `}`:                                                          "nested more than",
	} {
		_, err := scrub.Compile(scrub.Settings{PIIConfig: json.RawMessage(raw)})
		if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: want an invalid fault with %q, got %v", raw, want, err)
		}
	}
}
