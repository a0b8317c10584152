// Package canary is a corpus of secrets and of the places in an event where programs leave them.
package canary

import (
	"encoding/json"
	"net/url"
	"strings"
)

// Secret is something that must not be stored: a text, or a value that its name gives away. Canary
// is the part of it whose presence is a leak.
type Secret struct{ Name, Text, Canary string }

// Names are names whose values go whatever they are.
var Names = strings.Fields(`password passwd secret client_secret api_key api-key apikey apiKey X-Api-Key auth
	Authorization Proxy-Authorization credentials mysql_pwd private_key private-key privatekey otp two-factor two_factor
	token access_token refreshToken csrf_token X-Auth-Token password_confirmation AWS_SECRET_ACCESS_KEY db_password
	oauth_verifier id_token secret_key_base smtp_passwd SECRET MYSQL_PWD`)

// Texts are secrets that show by their form or by a word beside them.
var Texts = []Secret{
	{"bearer", "sent Bearer zq81canary.token", "zq81canary"},
	{"jwt behind bearer", "BEARER eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2ln", "eyJzdWIiOiJjYW5hcnkifQ"},
	{"visa", "paid with 4111111111111111", "4111111111111111"},
	{"visa with blanks", "paid with 4012 8888 8888 1881 twice", "8888 1881"},
	{"visa with dashes", "4012-8888-8888-1881", "8888-1881"},
	{"mastercard", "card 5105105105105100.", "5105105105105100"},
	{"amex", "card=378282246310005", "378282246310005"},
	{"amex with blanks", "card 3714 496353 98431", "496353"},
	{"discover", "6011111111111117", "6011111111111117"},
	{"discover, other range", "to 6500000000000002 now", "6500000000000002"},
	{"iban", "iban DE44500105175407324931", "DE44500105175407324931"},
	{"british iban", "GB29NWBK60161331926819", "NWBK60161331926819"},
	{"french iban", "pay FR1420041010050500013M02606 now", "20041010050500013M02606"},
	{"norwegian iban", "NO9386011117947", "NO9386011117947"},
	{"ssn", "ssn 078-05-1120", "078-05-1120"},
	{"ssn in a sentence", "his number is 219-09-9999, he says", "219-09-9999"},
	{"rsa key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary\nabc\n-----END RSA PRIVATE KEY-----", "MIIEcanary"},
	{"pkcs8 key", "key: -----BEGIN PRIVATE KEY-----\nMIIEcanary\n-----END PRIVATE KEY-----\n", "MIIEcanary"},
	{"encrypted key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIEcanary\r\n-----END ENCRYPTED PRIVATE KEY-----", "MIIEcanary"},
	{"ec key", "-----BEGIN EC PRIVATE KEY-----\nMIIEcanary\n-----END EC PRIVATE KEY-----", "MIIEcanary"},
	{"openssh key", "-----BEGIN OPENSSH PRIVATE KEY-----\nMIIEcanary\n-----END OPENSSH PRIVATE KEY-----", "MIIEcanary"},
	{"public key", "-----BEGIN PUBLIC KEY-----\nMIIEcanary\n-----END PUBLIC KEY-----", "MIIEcanary"},
	{"key cut short", "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary\nabc", "MIIEcanary"},
	{"postgres url", "dial postgres://app:pwcanary@db.internal/app", "pwcanary"},
	{"https url", "https://kim:pwcanary@example.com/a?b", "pwcanary"},
	{"redis url without a user", "redis://:pwcanary@10.0.0.1:6379/0", "pwcanary"},
	{"amqp url with signs", "amqp://u:pw!canary$1@mq/", "pw!canary$1"},
	{"user of a url", "git clone https://canary1234@github.com/a/b", "canary1234"},
	{"assignment", "connect host=db password=pwcanary", "pwcanary"},
	{"assignment of a token", "GET /?access_token=canary99", "canary99"},
	{"header in a text", "Authorization: Basic canaryQ==", "canaryQ"},
	{"words", "the api_key is canary42", "canary42"},
	{"json in a text", `{"client_secret": "canary77"}`, "canary77"},
	{"environment in a text", "MYSQL_PWD=canary55 ./run", "canary55"},
}

// Quoted is a text as JSON has it.
func Quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// NamedPlaces are where a value stands beside its name.
var NamedPlaces = map[string]func(name, value string) string{
	"extra":         func(n, v string) string { return `{"extra":{` + Quoted(n) + `:` + Quoted(v) + `}}` },
	"extra, deep":   func(n, v string) string { return `{"extra":{"a":{"b":[{` + Quoted(n) + `:` + Quoted(v) + `}]}}}` },
	"extra, object": func(n, v string) string { return `{"extra":{` + Quoted(n) + `:{"a":[` + Quoted(v) + `]}}}` },
	"vars":          func(n, v string) string { return framed(`{"vars":{` + Quoted(n) + `:` + Quoted(v) + `}}`) },
	"vars, deep":    func(n, v string) string { return framed(`{"vars":{"self":{` + Quoted(n) + `:` + Quoted(v) + `}}}`) },
	"vars of a thread": func(n, v string) string {
		return `{"threads":[{"id":1,"stacktrace":{"frames":[{"function":"f","vars":{` + Quoted(n) + `:` + Quoted(v) + `}}]}}]}`
	},
	"crumb data": func(n, v string) string { return `{"breadcrumbs":[{"data":{` + Quoted(n) + `:` + Quoted(v) + `}}]}` },
	"crumb data, deep": func(n, v string) string {
		return `{"breadcrumbs":[{"data":{"h":{` + Quoted(n) + `:` + Quoted(v) + `}}}]}`
	},
	"crumb member": func(n, v string) string {
		return `{"breadcrumbs":[{"message":"m",` + Quoted(n) + `:` + Quoted(v) + `}]}`
	},
	"json body": func(n, v string) string { return `{"request":{"data":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"json body as text": func(n, v string) string {
		return `{"request":{"data":` + Quoted(`{`+Quoted(n)+`:`+Quoted(v)+`}`) + `}}`
	},
	"broken body": func(n, v string) string {
		return `{"request":{"data":` + Quoted(`{`+Quoted(n)+`:`+Quoted(v)+`=,`) + `}}`
	},
	"form body": func(n, v string) string {
		return `{"request":{"data":` + Quoted("a=b&"+n+"="+url.QueryEscape(v)) + `}}`
	},
	"query text": func(n, v string) string {
		return `{"request":{"query_string":` + Quoted("a=b&"+n+"="+url.QueryEscape(v)) + `}}`
	},
	"query in the url": func(n, v string) string {
		return `{"request":{"url":` + Quoted("https://h/p?"+n+"="+url.QueryEscape(v)) + `}}`
	},
	"query pairs": func(n, v string) string {
		return `{"request":{"query_string":[[` + Quoted(n) + `,` + Quoted(v) + `]]}}`
	},
	"header":         func(n, v string) string { return `{"request":{"headers":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"header list":    func(n, v string) string { return `{"request":{"headers":[[` + Quoted(n) + `,` + Quoted(v) + `]]}}` },
	"cookie":         func(n, v string) string { return `{"request":{"cookies":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"env":            func(n, v string) string { return `{"request":{"env":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"request member": func(n, v string) string { return `{"request":{` + Quoted(n) + `:` + Quoted(v) + `}}` },
	"free context":   func(n, v string) string { return `{"contexts":{"my":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"context name":   func(n, v string) string { return `{"contexts":{` + Quoted(n) + `:{"a":` + Quoted(v) + `}}}` },
	"device context": func(n, v string) string { return `{"contexts":{"device":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"response header": func(n, v string) string {
		return `{"contexts":{"response":{"headers":{` + Quoted(n) + `:` + Quoted(v) + `}}}}`
	},
	"response body": func(n, v string) string {
		return `{"contexts":{"response":{"data":{` + Quoted(n) + `:` + Quoted(v) + `}}}}`
	},
	"trace data": func(n, v string) string {
		return `{"contexts":{"trace":{"trace_id":"8a3c60f7d188f8aa6b0e5b6b4d3e3d43","span_id":"b0e6f15b45c36b12","data":{` + Quoted(n) + `:` + Quoted(v) + `}}}}`
	},
	"user data":        func(n, v string) string { return `{"user":{"id":"1","data":{` + Quoted(n) + `:` + Quoted(v) + `}}}` },
	"user member":      func(n, v string) string { return `{"user":{"id":"1",` + Quoted(n) + `:` + Quoted(v) + `}}` },
	"top level":        func(n, v string) string { return `{"my":{` + Quoted(n) + `:` + Quoted(v) + `}}` },
	"top-level member": func(n, v string) string { return `{` + Quoted(n) + `:` + Quoted(v) + `}` },
	"params": func(n, v string) string {
		return `{"logentry":{"formatted":"x","message":"y","params":{` + Quoted(n) + `:` + Quoted(v) + `}}}`
	},
	"mechanism data": func(n, v string) string {
		return `{"exception":[{"type":"E","mechanism":{"type":"x","data":{` + Quoted(n) + `:` + Quoted(v) + `}}}]}`
	},
	"exception member": func(n, v string) string { return `{"exception":[{"type":"E",` + Quoted(n) + `:` + Quoted(v) + `}]}` },
	"frame member":     func(n, v string) string { return framed(`{"my":{` + Quoted(n) + `:` + Quoted(v) + `}}`) },
	"span data":        func(n, v string) string { return Transaction(`"data":{` + Quoted(n) + `:` + Quoted(v) + `}`) },
	"report":           func(n, v string) string { return `{"hpkp":{"date_time":"x",` + Quoted(n) + `:` + Quoted(v) + `}}` },
}

// TextPlaces are where a text stands by itself, or beside a harmless name.
var TextPlaces = map[string]func(text string) string{
	"extra":           func(s string) string { return `{"extra":{"a":` + Quoted(s) + `}}` },
	"extra, list":     func(s string) string { return `{"extra":{"a":[1,[` + Quoted(s) + `]]}}` },
	"vars":            func(s string) string { return framed(`{"vars":{"a":` + Quoted(s) + `}}`) },
	"vars, list":      func(s string) string { return framed(`{"vars":[` + Quoted(s) + `]}`) },
	"crumb message":   func(s string) string { return `{"breadcrumbs":[{"message":` + Quoted(s) + `}]}` },
	"crumb data":      func(s string) string { return `{"breadcrumbs":[{"data":{"a":` + Quoted(s) + `}}]}` },
	"body":            func(s string) string { return `{"request":{"data":{"a":` + Quoted(s) + `}}}` },
	"body text":       func(s string) string { return `{"request":{"data":` + Quoted("<p>"+s) + `}}` },
	"query":           func(s string) string { return `{"request":{"query_string":[["q",` + Quoted(s) + `]]}}` },
	"fragment":        func(s string) string { return `{"request":{"fragment":` + Quoted(s) + `}}` },
	"header":          func(s string) string { return `{"request":{"headers":{"X-A":` + Quoted(s) + `}}}` },
	"env":             func(s string) string { return `{"request":{"env":{"A":` + Quoted(s) + `}}}` },
	"cookie":          func(s string) string { return `{"request":{"cookies":{"a":` + Quoted(s) + `}}}` },
	"free context":    func(s string) string { return `{"contexts":{"my":{"a":` + Quoted(s) + `}}}` },
	"response header": func(s string) string { return `{"contexts":{"response":{"headers":[["X-A",` + Quoted(s) + `]]}}}` },
	"user name":       func(s string) string { return `{"user":{"name":` + Quoted(s) + `}}` },
	"user id":         func(s string) string { return `{"user":{"id":` + Quoted(s) + `}}` },
	"user data":       func(s string) string { return `{"user":{"data":{"a":` + Quoted(s) + `}}}` },
	"template":        func(s string) string { return `{"logentry":{"formatted":"x","message":` + Quoted(s) + `}}` },
	"params": func(s string) string {
		return `{"logentry":{"formatted":"x","message":"y","params":[` + Quoted(s) + `]}}`
	},
	"top level":       func(s string) string { return `{"my":` + Quoted(s) + `}` },
	"top level, deep": func(s string) string { return `{"my":[{"a":` + Quoted(s) + `}]}` },
	"mechanism data": func(s string) string {
		return `{"exception":[{"type":"E","mechanism":{"type":"x","data":{"a":` + Quoted(s) + `}}}]}`
	},
	"exception member": func(s string) string { return `{"exception":[{"type":"E","my":` + Quoted(s) + `}]}` },
	"frame member":     func(s string) string { return framed(`{"my":` + Quoted(s) + `}`) },
	"span description": func(s string) string { return Transaction(`"description":` + Quoted(s)) },
	"span data":        func(s string) string { return Transaction(`"data":{"a":` + Quoted(s) + `}`) },
	"report":           func(s string) string { return `{"hpkp":{"date_time":"x","a":` + Quoted(s) + `}}` },
	"policy report": func(s string) string {
		return `{"csp":{"effective_directive":"img-src","script_sample":` + Quoted(s) + `}}`
	},
	"mechanism": func(s string) string {
		return `{"exception":[{"type":"E","mechanism":{"type":"x","description":` + Quoted(s) + `}}]}`
	},
	"wrong type": func(s string) string { return `{"request":` + Quoted(s) + `}` },
	"wrong list": func(s string) string { return `{"breadcrumbs":[` + Quoted(s) + `],"user":[` + Quoted(s) + `]}` },
}

// framed is an event with one frame.
func framed(frame string) string {
	return `{"exception":[{"type":"E","stacktrace":{"frames":[` + strings.Replace(frame, "{", `{"function":"f",`, 1) + `]}}]}`
}

// Transaction is one with a span that has the member.
func Transaction(member string) string {
	return `{"type":"transaction","start_timestamp":1,"timestamp":2,"contexts":{"trace":{"trace_id":"8a3c60f7d188f8aa6b0e5b6b4d3e3d43",` +
		`"span_id":"b0e6f15b45c36b12"}},"spans":[{"op":"x",` + member + `}]}`
}
