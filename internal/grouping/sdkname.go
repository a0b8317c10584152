package grouping

import "strings"

// otherSDK is what rules call the SDKs that are not Sentry's.
const otherSDK = "other"

// sdkAliases are the names of SDKs that were called otherwise, by their names of then.
var sdkAliases = map[string]string{
	"sentry.android":                      "sentry.native.android",
	"sentry.cordova":                      "sentry.javascript.cordova",
	"sentry.electron":                     "sentry.javascript.electron",
	"sentry.javascript.angular.ivy":       "sentry.javascript.angular",
	"sentry.javascript.react.expo":        "sentry.javascript.react",
	"sentry.javascript.react.native.expo": "sentry.javascript.react.native",
	"sentry.laravel":                      "sentry.php.laravel",
	"sentry.react":                        "sentry.javascript.react",
	"sentry.symfony":                      "sentry.php.symfony",
	"sentry.unity":                        "sentry.native.unity",
	"sentrydotnet":                        "sentry.dotnet",
}

// sdkFamily is the name by which fingerprint rules know an SDK: without the framework that it is
// for, except where that matters most, in JavaScript and on native platforms.
// Rule: getsentry/sentry src/sentry/utils/tag_normalization.py
func sdkFamily(name string) string {
	if !strings.HasPrefix(name, "sentry") {
		return otherSDK
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || !isWord(r) })
	name = strings.Join(words, ".")
	if now, ok := sdkAliases[name]; ok {
		name = now
	}
	words = strings.Split(name, ".")
	if words[0] != "sentry" || len(words) < 2 {
		return otherSDK
	}
	switch words[1] {
	case "javascript":
	case "native":
		words = words[:min(len(words), 3)]
	default:
		words = words[:2]
	}
	return strings.Join(words, ".")
}
