package event_test

import "testing"

func TestMechanismsGetTheNamesOfNumbers(t *testing.T) {
	t.Parallel()
	crash := func(meta, more string) string {
		return `{"exception":[{"type":"A","mechanism":{"type":"signal","meta":` + meta + `}}]` + more + `}`
	}
	const linux, darwin, windows = `,"contexts":{"os":{"name":"Linux"}}`, `,"debug_meta":{"sdk_info":{"sdk_name":"iOS"}}`, `,"contexts":{"os":{"name":"Windows"}}`
	const m = "exception.values.0.mechanism."
	checkRules(t, []rule{
		{"signal on Linux", crash(`{"signal":{"number":7}}`, linux), map[string]string{m + "meta.signal": `{"name":"SIGBUS","number":7}`}},
		{"last signal on Linux", crash(`{"signal":{"number":31}}`, linux), map[string]string{m + "meta.signal.name": `"SIGSYS"`}},
		{"signal and code on Darwin", crash(`{"signal":{"number":10,"code":1}}`, darwin), map[string]string{m + "meta.signal": `{"code":1,"code_name":"BUS_ADRALN","name":"SIGBUS","number":10}`}},
		{"last signal on Darwin", crash(`{"signal":{"number":31,"code":9}}`, darwin), map[string]string{m + "meta.signal": `{"code":9,"name":"SIGUSR2","number":31}`}},
		{"codes are those of Darwin", crash(`{"signal":{"number":11,"code":1}}`, linux), map[string]string{m + "meta.signal.code_name": ""}},
		{"system from a description", crash(`{"signal":{"number":11}}`, `,"contexts":{"os":{"raw_description":"Linux 5.10.0-23-amd64 #1 SMP"}}`), map[string]string{m + "meta.signal.name": `"SIGSEGV"`}},
		{"no system known", crash(`{"signal":{"number":11},"errno":{"number":2}}`, ""), map[string]string{m + "meta": `{"errno":{"number":2},"signal":{"number":11}}`}},
		{"no signals on Windows", crash(`{"signal":{"number":11}}`, windows), map[string]string{m + "meta.signal.name": ""}},
		{"errno on Linux", crash(`{"errno":{"number":35}}`, linux), map[string]string{m + "meta.errno.name": `"EDEADLK"`}},
		{"errno past a gap", crash(`{"errno":{"number":59}}`, linux), map[string]string{m + "meta.errno.name": `"EBFONT"`}},
		{"errno in a gap", crash(`{"errno":{"number":58}}`, linux), map[string]string{m + "meta.errno.name": ""}},
		{"last errno on Linux", crash(`{"errno":{"number":133}}`, linux), map[string]string{m + "meta.errno.name": `"EHWPOISON"`}},
		{"errno past the last", crash(`{"errno":{"number":134}}`, linux), map[string]string{m + "meta.errno.name": ""}},
		{"negative errno", crash(`{"errno":{"number":-1}}`, linux), map[string]string{m + "meta.errno.name": ""}},
		{"errno on Darwin", crash(`{"errno":{"number":"35"}}`, darwin), map[string]string{m + "meta.errno.name": `"EAGAIN"`}},
		{"last errno on Darwin", crash(`{"errno":{"number":106}}`, darwin), map[string]string{m + "meta.errno.name": `"EQFULL"`}},
		{"errno on Windows", crash(`{"errno":{"number":41}}`, windows), map[string]string{m + "meta.errno.name": `"ENOTEMPTY"`}},
		{"secure errno on Windows", crash(`{"errno":{"number":80}}`, windows), map[string]string{m + "meta.errno.name": `"STRUNCATE"`}},
		{"first supplement on Windows", crash(`{"errno":{"number":100}}`, windows), map[string]string{m + "meta.errno.name": `"EADDRINUSE"`}},
		{"last errno on Windows", crash(`{"errno":{"number":140}}`, windows), map[string]string{m + "meta.errno.name": `"EWOULDBLOCK"`}},
		{"mach exception anywhere", crash(`{"mach_exception":{"exception":1,"code":1,"subcode":8}}`, ""), map[string]string{m + "meta.mach_exception.name": `"EXC_BAD_ACCESS"`}},
		{"last mach exception", crash(`{"mach_exception":{"exception":13}}`, ""), map[string]string{m + "meta.mach_exception.name": `"EXC_CORPSE_NOTIFY"`}},
		{"given names stay", crash(`{"errno":{"number":2,"name":"MINE"},"mach_exception":{"exception":1,"name":"X"}}`, linux), map[string]string{m + "meta.errno.name": `"MINE"`, m + "meta.mach_exception.name": `"X"`}},
		{"what is not understood stays", crash(`{"signal":"bad","errno":{"number":[]},"x":1}`, linux), map[string]string{m + "meta": `{"errno":{"number":[]},"signal":"bad","x":1}`, "errors": ""}},
		{"meta of a wrong type is remarked", crash(`7`, linux), map[string]string{m + "meta": "", m + "type": `"signal"`, "_meta." + m + "meta.~.val": "7"}},
		{"mechanism of a wrong type is remarked", `{"exception":[{"type":"A","mechanism":[1]}]}`, map[string]string{"exception.values.0.mechanism": "", "_meta.exception.values.0.mechanism.~.val": "[1]"}},
		{"unknown members stay", `{"exception":[{"type":"A","mechanism":{"foo":"bar"}}]}`, map[string]string{"exception.values.0.mechanism": `{"foo":"bar","type":"generic"}`}},
		{"help that is no web address", `{"exception":[{"type":"A","mechanism":{"type":"t","help_link":"javascript:x"}}]}`, map[string]string{m + "help_link": "", "_meta." + m + "help_link.~.val": `"javascript:x"`}},
		{"help", `{"exception":[{"type":"A","mechanism":{"type":"t","help_link":"https://a/b"}}]}`, map[string]string{m + "help_link": `"https://a/b"`}},
		{"old clients for native code", `{"exception":[{"type":"A","mechanism":{"posix_signal":{"signal":11,"name":"SIGSEGV","code":1},"mach_exception":{"exception":1,"exception_name":"EXC","code":2},"relevant_address":"0x1"}}]}`,
			map[string]string{"exception.values.0.mechanism": `{"data":{"relevant_address":"0x1"},"meta":{"mach_exception":{"code":2,"exception":1,"name":"EXC"},"signal":{"code":1,"name":"SIGSEGV","number":11}},"type":"generic"}`}},
	}, delivery())
}
