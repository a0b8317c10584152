package artifact

import (
	"path"
	"regexp"
	"strings"
)

// Parts of a path that say nothing about the module in it: folders that hold all scripts, versions
// and hashes.
var (
	dullPart = regexp.MustCompile(`(?i)^(?:(?:java)?scripts?|js|build|static|node_modules|bower_components|[_.~].*|v?(?:\d+\.)*\d+|[a-f0-9]{7,8}|[a-f0-9]{32}|[a-f0-9]{40})$`)
	longHash = regexp.MustCompile(`(?i)^(?:[a-f0-9]{32}|[a-f0-9]{40})$`)
	hashTail = regexp.MustCompile(`(?i)[-.][a-f0-9]{7,}$`)
)

// ModuleName is the module that the file at a URL holds: its path without extension, hashes and
// folders that all scripts are in.
// Rule: getsentry/sentry src/sentry/utils/javascript.py, lang/javascript/utils.py (generate_module)
func ModuleName(url string) string {
	if url == "" {
		return "<unknown module>"
	}
	if _, rest, ok := strings.Cut(url, "://"); ok {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			url = rest[slash:]
		}
	}
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	url = strings.TrimSuffix(strings.TrimSuffix(url, path.Ext(url)), ".min")
	parts := strings.Split(url, "/")
	for i, p := range parts {
		if longHash.MatchString(p) {
			return strings.Join(parts[i+1:], "/")
		}
	}
	for len(parts) > 1 && (parts[0] == "" || dullPart.MatchString(parts[0])) {
		parts = parts[1:]
	}
	name := hashTail.ReplaceAllString(strings.Join(parts, "/"), "")
	if name == "" {
		return "<unknown module>"
	}
	return name
}
