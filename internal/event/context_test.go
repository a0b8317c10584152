package event_test

import "testing"

func TestSystemsAreReadFromTheirDescription(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"Microsoft Windows NT 6.1.7601 Service Pack 1":        `"name":"Windows","os":"Windows 7","version":"7"`,
		"Microsoft Windows NT 6.2.9200.0":                     `"name":"Windows","os":"Windows 8","version":"8"`,
		"Microsoft Windows NT 6.3.9600":                       `"name":"Windows","os":"Windows 8.1","version":"8.1"`,
		"Microsoft Windows NT 6.0.6002":                       `"name":"Windows","os":"Windows Vista","version":"Vista"`,
		"Windows NT 5.1.2600":                                 `"name":"Windows","os":"Windows XP","version":"XP"`,
		"Microsoft Windows 10.0.16299":                        `"name":"Windows","os":"Windows 10","version":"10"`,
		"Microsoft Windows 10.0.22000":                        `"name":"Windows","os":"Windows 11","version":"11"`,
		"Microsoft Windows 10.0.26100":                        `"name":"Windows","os":"Windows 11","version":"11"`,
		"Microsoft Windows 10.1.23456":                        `"name":"Windows","os":"Windows 10.1.23456","version":"10.1.23456"`,
		"Windows 10  (10.0.19042) 64bit":                      `"name":"Windows","os":"Windows 10","version":"10"`,
		"Windows 10":                                          `"name":"Windows","os":"Windows 10","version":"10"`,
		"Mac OS X 10.14.2 (18C54)":                            `"name":"macOS","os":"macOS 10.14.2","version":"10.14.2"`,
		"Mac OS X 10.16.0":                                    `"name":"macOS","os":"macOS 10.16.0","version":"10.16.0"`,
		"macOS 13.4 22F66":                                    `"name":"macOS","os":"macOS 13.4","version":"13.4"`,
		"iOS 17.5.1":                                          `"name":"iOS","os":"iOS 17.5.1","version":"17.5.1"`,
		"iPadOS 15.1":                                         `"name":"iPadOS","os":"iPadOS 15.1","version":"15.1"`,
		"Android OS 11 / API-30 (RP1A.201005.001/2107031736)": `"name":"Android","os":"Android 11","version":"11"`,
		"Linux 5.11 Ubuntu 20.04 64bit":                       `"kernel_version":"5.11","name":"Ubuntu","os":"Ubuntu 20.04","version":"20.04"`,
		"Linux 3.10.0-693.21.1.el7.x86_64 #1 SMP Wed Mar 7 19:03:37 UTC 2018": `"kernel_version":"3.10.0","name":"Linux","os":"Linux"`,
		"Unix 17.5.0.0":   `"kernel_version":"17.5.0","name":"Unix","os":"Unix"`,
		"Unix 3.10.0.693": `"kernel_version":"3.10.0.693","name":"Unix","os":"Unix"`,
		"Darwin 17.5.0 Darwin Kernel Version 17.5.0: Mon Mar  5 2018": `"kernel_version":"17.5.0","name":"Darwin","os":"Darwin"`,
		"Nintendo Switch": `"name":"Nintendo OS","os":"Nintendo OS"`,
		"something else":  ``,
	} {
		v := stored(t, normalized(t, `{"contexts":{"os":{"raw_description":"`+raw+`","build":"b"}}}`, delivery()))
		for _, member := range []string{"name", "os", "version", "kernel_version"} {
			got, sent := field(t, v, "contexts.os."+member), field(t, parsed(t, "{"+want+"}"), member)
			if got != sent {
				t.Errorf("%s: want %s %s, got %s", raw, member, sent, got)
			}
		}
	}
}

func TestSystemsAndRuntimesHaveALabel(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"build", `{"contexts":{"os":{"raw_description":"Mac OS X 10.14.2 (18C54)"}}}`, map[string]string{"contexts.os.build": `"18C54"`}},
		{"Windows build", `{"contexts":{"os":{"raw_description":"Microsoft Windows 10.0.16299"}}}`, map[string]string{"contexts.os.build": `"16299"`}},
		{"a name that is there stays", `{"contexts":{"os":{"name":"Mine","raw_description":"Linux 4.4.0"}}}`, map[string]string{"contexts.os": `{"name":"Mine","os":"Mine","raw_description":"Linux 4.4.0"}`}},
		{"a version that is there stays", `{"contexts":{"os":{"version":"1","raw_description":"Linux 4.4.0"}}}`, map[string]string{"contexts.os": `{"raw_description":"Linux 4.4.0","version":"1"}`}},
		{"a label that is there stays", `{"contexts":{"os":{"name":"a","version":"1","os":"b"},"runtime":{"name":"a","version":"1","runtime":"b"},"browser":{"name":"a","browser":"b"}}}`,
			map[string]string{"contexts.os.os": `"b"`, "contexts.runtime.runtime": `"b"`, "contexts.browser.browser": `"b"`}},
		{"the client's system", `{"contexts":{"client_os":{"name":"Linux","version":"5"}}}`, map[string]string{"contexts.client_os.os": `"Linux 5"`}},
		{"a system under another name", `{"contexts":{"guest":{"type":"os","name":"Linux","version":"5"}}}`, map[string]string{"contexts.guest.os": `"Linux 5"`}},
		{".NET Framework with build", `{"contexts":{"runtime":{"raw_description":".NET Framework 4.7.3056.0","build":"461814"}}}`, map[string]string{"contexts.runtime.runtime": `".NET Framework 4.7.2"`}},
		{".NET Framework with build as number", `{"contexts":{"runtime":{"name":".NET Framework","version":"4.7.3056.0","build":461814}}}`, map[string]string{"contexts.runtime.runtime": `".NET Framework 4.7.2"`}},
		{".NET Framework with unknown build", `{"contexts":{"runtime":{"raw_description":".NET Framework 200.0","build":"999999"}}}`, map[string]string{"contexts.runtime.version": `"200.0"`}},
		{".NET Framework without build", `{"contexts":{"runtime":{"raw_description":".NET Framework 4.8.4250.0"}}}`, map[string]string{"contexts.runtime.runtime": `".NET Framework 4.8.4250.0"`}},
		{".NET Core", `{"contexts":{"runtime":{"raw_description":".NET Core 2.0"}}}`, map[string]string{"contexts.runtime.runtime": `".NET Core 2.0"`}},
		{"Mono", `{"contexts":{"runtime":{"raw_description":"Mono 5.10.1.47 (tarball Tue Apr 17)"}}}`, map[string]string{"contexts.runtime.runtime": `"Mono 5.10.1.47"`}},
	}, delivery())
}

func TestTracesHaveAKnownStatus(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		`"ok"`: "ok", `"unknown_error"`: "unknown", `"success"`: "ok", `"failure"`: "internal_error", `0`: "ok", `"16"`: "unauthenticated",
		`13`: "internal_error", `"data_loss"`: "data_loss", `null`: "unknown", `"nope"`: "unknown", `17`: "unknown", `{}`: "unknown", `-1`: "unknown",
	} {
		e := normalized(t, `{"contexts":{"trace":{"trace_id":"8A3C60F7-D188-F8AA-6B0E-5B6B4D3E3D43","span_id":"B0E6F15B45C36B12","status":`+sent+`}}}`, delivery())
		v := stored(t, e)
		if got := at(v, "contexts.trace.status"); got != want {
			t.Errorf("%s: want %s, got %v", sent, want, got)
		}
		if lost := len(e.Meta["contexts.trace.status"].Errors); lost != 0 != (want == "unknown" && sent != "null" && sent != `"unknown_error"`) {
			t.Errorf("%s: %d remarks", sent, lost)
		}
		if got := at(v, "contexts.trace.trace_id"); got != "8a3c60f7d188f8aa6b0e5b6b4d3e3d43" {
			t.Errorf("want the id in lower case without dashes, got %v", got)
		}
	}
}

func TestResponsesAreCompleted(t *testing.T) {
	t.Parallel()
	response := func(s string) string { return `{"contexts":{"response":{` + s + `}}}` }
	const p = "contexts.response."
	checkRules(t, []rule{
		{"cookies", response(`"headers":{"set-cookie":"a=b; Path=/","x":"y"}`), map[string]string{p + "cookies": `[["a","b"],["Path","/"]]`, p + "headers": `[["X","y"]]`}},
		{"given cookies win", response(`"headers":[["Set-Cookie","a=b"]],"cookies":{"c":"d"}`), map[string]string{p + "cookies": `[["c","d"]]`, p + "headers": ""}},
		{"cookies that are not understood", response(`"headers":[["Set-Cookie","a=b; HttpOnly"]]`), map[string]string{p + "cookies": "", p + "headers": `[["Set-Cookie","a=b; HttpOnly"]]`}},
		{"JSON body", response(`"data":"{\"a\": [1]}","headers":{"Content-Type":"text/plain"},"inferred_content_type":"x"`), map[string]string{p + "data": `{"a":[1]}`, p + "inferred_content_type": `"application/json"`}},
		{"text body", response(`"data":"a","headers":{"Content-Type":"text/html; charset=utf-8"},"status_code":500`), map[string]string{p + "data": `"a"`, p + "inferred_content_type": `"text/html"`, p + "status_code": "500"}},
		{"wrong types", response(`"headers":7,"cookies":[1],"data":[]`), map[string]string{"_meta." + p + "headers.~.val": "7", "_meta." + p + "cookies.~.val": "1", p + "headers": "", p + "data": `[]`}},
	}, delivery())
}

func TestHostsAreWrittenInASCII(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"http://göögle.com/":                 "http://xn--ggle-5qaa.com/",
		"https://kim@Bücher.example:8080/ü?": "https://kim@xn--bcher-kva.example:8080/ü",
		"https://example.com/ü":              "https://example.com/ü",
		"göögle.com/a":                       "göögle.com/a",
		"http://gö ögle.com/":                "http://gö ögle.com/",
		"http://日本語。jp":                      "http://xn--wgv71a119e.jp",
		"http://example.com/path…":           "http://example.com/path...",
		"metamask/popup.html#":               "metamask/popup.html",
	} {
		if e := normalized(t, `{"request":{"url":"`+sent+`"}}`, delivery()); e.Request.URL != want {
			t.Errorf("%s: want %s, got %s", sent, want, e.Request.URL)
		}
	}
}
