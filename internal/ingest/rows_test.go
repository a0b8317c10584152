package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// provenRow is one line of the protocol's conformance table, with the test that proves it.
type provenRow struct {
	row   int
	given string
	where string // directory below internal
	test  string
}

// conformanceRows is the whole table, in its order.
var conformanceRows = []provenRow{
	{1, "POST envelope with one event, auth header", "ingest", "TestConformanceStore"},
	{2, "same body to /store/ as JSON", "ingest", "TestConformanceStore"},
	{3, "store body = base64(zlib(JSON)) without Content-Encoding", "ingest", "TestConformanceStore"},
	{4, "store with empty body", "ingest", "TestConformanceStore"},
	{5, "store body neither {… nor base64", "ingest", "TestConformanceStore"},
	{6, "store with Content-Type application/x-sentry-envelope", "ingest", "TestConformanceStore"},
	{7, "GET store with sentry_data", "ingest", "TestConformanceStore"},
	{8, "POST /api/store/ with K only", "ingest", "TestConformanceStore"},
	{9, "store JSON with type: transaction", "ingest", "TestConformanceStore"},
	{10, "store JSON with event_id: 'nope'", "ingest", "TestConformanceStore"},
	{11, "envelope, header X-Sentry-Auth: '', dsn in envelope header", "ingest", "TestConformanceAuth"},
	{12, "envelope without any auth, header line {}", "ingest", "TestConformanceAuth"},
	{13, "non-envelope route without auth", "ingest", "TestConformanceAuth"},
	{14, "X-Sentry-Auth plus ?sentry_key=", "ingest", "TestConformanceAuth"},
	{15, "Authorization: Sentry sentry_key=K", "ingest", "TestConformanceAuth"},
	{16, "Authorization: Basic base64('K:') on cron", "ingest", "TestConformanceAuth"},
	{17, "auth header with sentry_version=8; with 2.0", "ingest", "TestConformanceAuth"},
	{18, "auth header without sentry_key; with sentry_key=abc", "ingest", "TestConformanceAuth"},
	{19, "/api/foo/envelope/", "ingest", "TestConformanceAuth"},
	{20, "valid K of project 42 posted to /api/43/…", "ingest", "TestConformanceAuth"},
	{21, "envelope header dsn with other project or key than request", "ingest", "TestConformanceAuth"},
	{22, "request with Origin not in allowed domains", "ingest", "TestConformanceCORS"},
	{23, "no Origin/Referer and empty domain list; Origin: null", "ingest", "TestConformanceCORS"},
	{24, "OPTIONS preflight on security route", "ingest", "TestConformanceCORS"},
	{25, "any POST with Origin, even with an invalid body", "ingest", "TestConformanceCORS"},
	{26, "Content-Encoding gzip / deflate / br / zstd; empty or UTF-8", "ingest", "TestConformanceEncodings"},
	{27, "Content-Encoding gzip, garbage body", "ingest", "TestConformanceAuth"},
	{28, "envelope body over 200 MiB decoded", "ingest", "TestConformanceBodyLimit"},
	{29, "queue unavailable / memory exhausted", "ingest", "TestLargeBodiesCannotKeepSmallOnesOut"},
	{30, "header only, with or without final LF", "ingest", "TestConformanceParsing"},
	{31, "two attachments of length 0 with/without last LF; item header as last bytes", "ingest", "TestConformanceParsing"},
	{32, "item without length ended by LF or by EOF", "ingest", "TestConformanceParsing"},
	{33, "payload with CRLF inside an explicit length", "ingest", "TestConformanceParsing"},
	{34, "explicit length larger than the rest; or followed by a byte other than LF", "ingest", "TestConformanceParsing"},
	{35, "header followed by CRLF", "ingest", "TestConformanceParsing"},
	{36, "item header without type", "ingest", "TestConformanceParsing"},
	{37, "item of unknown type plus an event; only unknown items", "ingest", "TestConformanceParsing"},
	{38, "item type integration", "ingest", "TestConformanceParsing"},
	{39, "envelope without event_id: with event; with session only", "ingest", "TestConformanceParsing"},
	{40, "envelope event_id ≠ payload event_id", "ingest", "TestConformanceParsing"},
	{41, "sent_at twice or unparsable", "ingest", "TestConformanceParsing"},
	{42, "trace header with wrong types", "ingest", "TestConformanceParsing"},
	{43, "101 session items; event item of 1 MiB + 1; 31 attachments", "ingest", "TestConformanceLimits"},
	{44, "two log containers", "ingest", "TestConformanceParsing"},
	{45, "sent_at one day / 54 minutes behind receive time", "ingest", "TestConformanceClockDrift"},
	{46, "exception as bare list or single object; exception: {}", "event", "TestRowsAboutExceptionsLevelsAndTimes"},
	{47, "sentry.interfaces.Exception key", "event", "TestRowsAboutExceptionsLevelsAndTimes"},
	{48, "exception value is an object", "event", "TestRowsAboutExceptionsLevelsAndTimes"},
	{49, "level: 'critical', 'log', 40, 'warn'", "event", "TestRowsAboutExceptionsLevelsAndTimes"},
	{50, "timestamp without zone", "event", "TestRowsAboutExceptionsLevelsAndTimes"},
	{51, "timestamp 2 minutes ahead; older than retention; missing", "event", "TestRowsAboutExceptionsLevelsAndTimes"},
	{52, "tags object {'foo bar':'baz','non string':42,'bool':true}, or the same as list of pairs", "event", "TestRowsAboutTagsAndNames"},
	{53, "tag value of 201 chars", "event", "TestRowsAboutTagsAndNames"},
	{54, "tag environment and no attribute", "event", "TestRowsAboutTagsAndNames"},
	{55, "tags release, dist, user, filename, function; attribute server_name", "event", "TestRowsAboutTagsAndNames"},
	{56, "dist: ' foo ' / ' '", "event", "TestRowsAboutTagsAndNames"},
	{57, "release: 42", "event", "TestRowsAboutTagsAndNames"},
	{58, "unknown platform", "event", "TestRowsAboutTagsAndNames"},
	{59, "event without type and exception", "event", "TestRowsAboutTagsAndNames"},
	{60, "measurements on a non-transaction; on a transaction named LCP,  x.y , A B", "event", "TestRowsAboutTagsAndNames"},
	{61, "logentry hello, %s! + params list, also {}, {0}, %(name)s", "event", "TestRowsAboutMessagesAndLimits"},
	{62, "logentry with template and no params; with params only", "event", "TestRowsAboutMessagesAndLimits"},
	{63, "frame filename http://foo.com/foo.js without abs_path; abs_path http://foo.com/", "event", "TestRowsAboutMessagesAndLimits"},
	{64, "300 frames", "event", "TestRowsAboutMessagesAndLimits"},
	{65, "culprit of 300 chars", "event", "TestRowsAboutMessagesAndLimits"},
	{66, "extra nested 8 levels", "event", "TestRowsAboutMessagesAndLimits"},
	{67, "breadcrumb key ty", "event", "TestRowsAboutMessagesAndLimits"},
	{68, "user id: 42", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{69, "request URL with query and fragment", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{70, "request body {'foo':'bar'} as string; method: '!!!!'", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{71, "header Cookie: a=b;c=d", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{72, "UA in request headers, platform javascript / python", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{73, "UA with Mac OS X 10.15.7 or Windows 10", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{74, "user.ip_address: '{{auto}}'; no user on platform javascript; same on python", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{75, "request.env.REMOTE_ADDR valid, user IP absent", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{76, "context named reprocessing", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{77, "trace context ids upper-case, no status", "event", "TestRowsAboutUsersRequestsAndContexts"},
	{78, "transaction without trace context or start_timestamp", "ingest", "TestConformanceItems"},
	{79, "defaults on, extra {'password':'x','apiKey':'y','otp':'z','foo':'bar'}", "scrub", "TestConformance"},
	{80, "defaults on, exception value contains 'password'", "scrub", "TestConformance"},
	{81, "defaults on, cookies sessionid, csrftoken-like listed names, not_sensitive", "scrub", "TestConformance"},
	{82, "scrub IP on", "scrub", "TestConformance"},
	{83, "advanced rule @email on $string", "scrub", "TestConformance"},
	{84, "rule ip/remove on $attachments.'foo.txt'", "scrub", "TestConformance"},
	{85, "userpath/remove on a log file attachment", "scrub", "TestConformance"},
	{86, "card number in a log attribute, also inside an array", "scrub", "TestConformance"},
	{87, "error pattern *yes*, template filter:%s with param yes", "filter", "TestConformance"},
	{88, "error pattern Panic: originalCreateNotification", "filter", "TestConformance"},
	{89, "extension filter on, last frame filename chrome-extension://…", "filter", "TestConformance"},
	{90, "crawler filter on, UA BingBot", "filter", "TestConformance"},
	{91, "IP filter 1.2.3.0/24, X-Forwarded-For: 1.2.3.4", "filter", "TestConformance"},
	{92, "ignoreTransactions health*, name health-check-1 ", "filter", "TestConformance"},
	{93, "generic filter release eq 0.0.0", "filter", "TestConformance"},
	{94, "localhost filter: hosts foo.localhost, foolocalhost, file:///…", "filter", "TestConformance"},
	{95, "Slackbot 1.0, Slackbot-LinkExpanding 1.0, Twitterbot/1.0", "filter", "TestConformance"},
	{96, "legacy default, IE9 / IE10 / Safari 5 / Opera 14", "filter", "TestConformance"},
	{97, "quota 5 errors/h on key; 6th event", "ingest", "TestKeyRateLimit"},
	{98, "429 answer", "ingest", "TestKeyRateLimit"},
	{99, "attachment quota 0", "ingest", "TestRow99"},
	{100, "attachment quota in bytes = 5 files", "ingest", "TestRow100"},
	{101, "attachments endpoint, event id 123abc", "ingest", "TestConformanceAttachments"},
	{102, "attachments endpoint, three files, one empty", "ingest", "TestConformanceAttachments"},
	{103, "minidump multipart", "ingest", "TestConformanceMinidumps"},
	{104, "minidump with __sentry-event msgpack, or sentry[event_id] + sentry[user][id]", "ingest", "TestConformanceMinidumps"},
	{105, "minidump with chunked sentry__1/2; with sentry={{{{", "ingest", "TestConformanceMinidumps"},
	{106, "minidump wrong magic / wrong field / broken gzip", "ingest", "TestConformanceBadMinidumps"},
	{107, "raw minidump octet-stream and x-dmp, path without slash", "ingest", "TestConformanceMinidumps"},
	{108, "security report, MIME with charset", "ingest", "TestSecurityReports"},
	{109, "security report with Origin", "ingest", "TestSecurityReports"},
	{110, "security report as text/html", "ingest", "TestSecurityReports"},
	{111, "cron GET ?status=ok with key in path", "ingest", "TestConformanceCron"},
	{112, "cron POST JSON with monitor_config and no client name", "ingest", "TestConformanceCron"},
	{113, "check-in slug of 250 chars / empty / status missed", "ingest", "TestCheckInsAreRead"},
	{114, "4 check-ins, per-monitor limit 2", "ingest", "TestConformanceCron"},
	{115, "session init true, seq 42", "ingest", "TestSessionsAreRead"},
	{116, "session crashed, errors absent", "ingest", "TestSessionsAreRead"},
	{117, "session older than 5 days / release 'latest' / no release", "ingest", "TestConformanceItems"},
	{118, "aggregates with did and without", "ingest", "TestSessionsAreRead"},
	{119, "client report sent twice within a bucket; dated 300 days ahead", "ingest", "TestConformanceReports"},
	{120, "feedback item + attachment in one envelope", "ingest", "TestConformanceFeedback"},
	{121, "log with mismatched attribute types", "ingest", "TestConformanceItems"},
	{122, "OTLP log, severityNumber 10, resource service.name", "ingest", "TestConformanceOTLP"},
	{123, "OTLP with text/plain", "ingest", "TestConformanceOTLP"},
	{124, "unknown /js-sdk-loader/x.js key", "ingest", "TestConformanceLoader"},
}

// TestConformanceTable: every line of the table is proven by a test that is there and speaks of it. What
// the line demands is in that test; run them all with -run 'Conformance|Row'.
func TestConformanceTable(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	for i, r := range conformanceRows {
		t.Run(fmt.Sprintf("%d: %s", r.row, r.given), func(t *testing.T) {
			if r.row != i+1 {
				t.Errorf("want row %d here", i+1)
			}
			name := r.where + "." + r.test
			if sources[name] == "" {
				sources[name] = sourceOf(t, r.where, r.test)
			}
			if !speaksOf(sources[name], r.row) {
				t.Errorf("%s does not name row %d", name, r.row)
			}
		})
	}
	if len(conformanceRows) != 124 {
		t.Errorf("want 124 rows, got %d", len(conformanceRows))
	}
}

// sourceOf is the test file of a package that has a test.
func sourceOf(t *testing.T, where, test string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", where, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "func "+test+"(t *testing.T)") {
			return string(b)
		}
	}
	t.Errorf("%s has no %s", where, test)
	return ""
}

var rowRange = regexp.MustCompile(`rows? (\d+) to (\d+)`)

// speaksOf reports whether a source names a row: at the start of a text, or in a comment by itself
// or within a range.
func speaksOf(source string, row int) bool {
	n := strconv.Itoa(row)
	if regexp.MustCompile(`"(row )?` + n + `[ ":]|[Rr]ows? [0-9, and]*\b` + n + `\b`).MatchString(source) {
		return true
	}
	for _, m := range rowRange.FindAllStringSubmatch(source, -1) {
		from, _ := strconv.Atoi(m[1]) // digits, by the pattern
		to, _ := strconv.Atoi(m[2])
		if from <= row && row <= to {
			return true
		}
	}
	return false
}
