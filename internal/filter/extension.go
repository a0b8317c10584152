package filter

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// extensionValues are the folded fragments of exception values that extensions cause.
// Rule: getsentry/relay relay-filter/src/browser_extensions.rs
var extensionValues = foldAll(
	"top.GLOBALS", "originalCreateNotification", "canvas.contentDocument", "MyApp_RemoveAllHighlights",
	"http://tt.epicplay.com", "Can't find variable: ZiteReader", "jigsaw is not defined",
	"ComboSearch is not defined", "http://loading.retry.widdit.com/", "atomicFindClose", "fb_xd_fragment",
	"bmi_SafeAddOnload", "EBCallBackMessageReceived", "_gCrWeb", "conduitPage",
	"null is not an object (evaluating 'elt.parentNode')", "plugin.setSuspendState is not a function",
	"Extension context invalidated", "webkit-masked-url:", "can't access dead object",
)

// extensionHosts are fragments, and extensionSchemes prefixes, of the folded paths of their code.
var (
	extensionHosts = foldAll(
		"graph.facebook.com", "connect.facebook.net", "eatdifferent.com.woopra-ns.com",
		"static.woopra.com/js/woopra.js", "webkit-masked-url", "127.0.0.1:4001/isrunning",
		"webappstoolbarba.texthelp.com/", "metrics.itunes.apple.com.edgesuite.net/", "kaspersky-labs.com",
	)
	extensionSchemes = foldAll(
		"chrome://", "chrome-extension://", "moz-extension://", "safari-extension://", "safari-web-extension://",
	)
)

func foldAll(list ...string) []string {
	for i, s := range list {
		list[i] = fold(s)
	}
	return list
}

// fromExtension tests the first exception: its value, and the file its trace ends in.
func fromExtension(ev *event.Event) bool {
	if len(ev.Exceptions) == 0 {
		return false
	}
	x := &ev.Exceptions[0]
	value := x.Value
	if len(value) > longestText {
		value = value[:longestText]
	}
	value = fold(value)
	for _, fragment := range extensionValues {
		if strings.Contains(value, fragment) {
			return true
		}
	}
	path := fold(lastPath(x.Stacktrace))
	if path == "" {
		return false
	}
	for _, scheme := range extensionSchemes {
		if strings.HasPrefix(path, scheme) {
			return true
		}
	}
	for _, host := range extensionHosts {
		if strings.Contains(path, host) {
			return true
		}
	}
	return false
}

// lastPath is the file of the last frame that has one worth the name.
func lastPath(s *event.Stacktrace) string {
	if s == nil {
		return ""
	}
	for i := len(s.Frames) - 1; i >= 0; i-- {
		switch path := s.Frames[i].AbsPath; path {
		case "<anonymous>", "[native code]":
		default:
			return path
		}
	}
	return ""
}
