package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// rich is an event with something to find under every key of the language.
const rich = `{"platform":"python","dist":"77","release":"shop@2.1.0+88",
	"exception":{"values":[{"type":"KeyError","value":"no 'total'","mechanism":{"type":"excepthook","handled":false},
		"stacktrace":{"frames":[{"function":"main","filename":"app.py","abs_path":"/srv/app.py","module":"app","package":"shop","lineno":3,"colno":7,"in_app":true},
			{"function":"pay","filename":"pay.py","lineno":12,"in_app":true}]}}]},
	"threads":{"values":[{"id":"1","crashed":true,"main":true}]},
	"request":{"method":"POST","url":"https://shop.example/pay","headers":[["Referer","https://shop.example/cart"]]},
	"user":{"id":"7","email":"ada@example.com","username":"ada","ip_address":"192.0.2.1","geo":{"city":"Graz","country_code":"AT","region":"Austria","subdivision":"Styria"}},
	"sdk":{"name":"sentry.python","version":"2.1.0"},
	"tags":{"retries":"12","tenant":"north","weird":">5 apples"},
	"contexts":{"device":{"arch":"arm64","battery_level":42.5,"brand":"Fair","charging":true,"family":"Phone","locale":"de_AT","name":"Ada's","orientation":"portrait",
			"online":true,"model_id":"FP5","simulator":false,"screen_density":2.5,"screen_dpi":420,"screen_height_pixels":2400,"screen_width_pixels":1080,"uuid":"u-1"},
		"os":{"name":"Linux","version":"6.1","build":"b1","kernel_version":"6.1.0","distribution_name":"debian","distribution_version":"12"},
		"app":{"in_foreground":true,"type":"app"},"browser":{"name":"Firefox","version":"130.0"},
		"trace":{"trace_id":"0123456789abcdef0123456789abcdef","span_id":"0123456789abcdef","op":"http.server","status":"internal_error"},
		"replay":{"replay_id":"fedcba9876543210fedcba9876543210"},"response":{"status_code":502},
		"lambda":{"function_name":"charge","memory_limit":256,"timeout":30,"nested":{"x":1}},
		"flags":{"values":[{"flag":"new-cart","result":true},{"flag":"shade","result":"teal"}]}}}`

// bID is the event of issue b.
var bID = event.ID{0xb, 1, 2, 3}

// propertyWorld has the rich event as issue a, and two plain ones as b and c.
func propertyWorld(t *testing.T) (w *world, ids map[string]int64) {
	t.Helper()
	w = newWorld(t)
	ids = map[string]int64{}
	ev, err := event.Decode([]byte(rich))
	if err != nil {
		t.Fatal(err)
	}
	for n, letter := range []string{"a", "b", "c"} {
		r := sample(n, "letter "+letter)
		r.UserKey, r.Tags, r.Release = "", nil, "shop@1.0.0"
		r.OccurredAt = time.Now().Add(time.Duration(-n) * time.Minute)
		r.ReceivedAt = r.OccurredAt
		if letter == "a" {
			r.Properties, r.Unhandled, r.Release = ev.Properties(), true, ev.Release
			r.Tags = append(ev.Tags, event.Pair{Key: "user", Value: ev.User.Key()}) // as normalizing does
		}
		if letter == "b" {
			r.Tags = []event.Pair{{Key: "retries", Value: "3"}, {Key: "user", Value: "id:8"}}
			r.ID = bID
		}
		w.record(r)
		ids[letter] = w.int("select id from issues where title = $1", "ValueError: letter "+letter)
	}
	w.fold()
	return w, ids
}

// TestEveryPropertyIsFoundBothWays asks for each key of one event, and for its opposite.
func TestEveryPropertyIsFoundBothWays(t *testing.T) {
	t.Parallel()
	w, ids := propertyWorld(t)
	for _, q := range []string{
		"app.in_foreground:true", "browser.name:Firefox", "browser.version:130*", "dist:77",
		"device.arch:arm64", "device.battery_level:>40", "device.battery_level:42.5", "device.brand:Fair", "device.charging:1", "device.family:Phone",
		"device.locale:de_AT", "device.model_id:FP5", "device.name:Ada*", "device.online:true", "device.orientation:portrait", "device.screen_density:2.5",
		"device.screen_dpi:[420,160]", "device.screen_height_pixels:>=2400", "device.screen_width_pixels:<2k", "device.simulator:false", "device.uuid:u-1",
		"error.main_thread:true", "error.mechanism:excepthook", "error.unhandled:true", "error.handled:false", "handled:false", "unhandled:true",
		"geo.city:Graz", "geo.country_code:[AT,DE]", "geo.region:Austria", "geo.subdivision:Styria",
		"http.method:POST", "http.referer:*cart", "http.status_code:>=500", "http.status_code:502", "http.url:*example/pay",
		"os.build:b1", "os.distribution_name:debian", "os.distribution_version:12", "os.kernel_version:6.1.0", "os.name:Linux", "os.version:6.1",
		"replay.id:fedcba9876543210fedcba9876543210", "sdk.name:sentry.python", "sdk.version:2.*",
		"stack.abs_path:/srv/*", "stack.colno:7", "stack.filename:pay.py", "stack.file:app.py", "stack.function:pay", "stack.function:[x,main]",
		"stack.in_app:true", "stack.lineno:>10", "stack.module:app", "stack.package:shop",
		"trace:0123456789abcdef0123456789abcdef", "trace.op:http.server", "trace.status:internal_error",
		"user.email:ada@example.com", "user.id:7", "user.username:ADA*", "user.ip:192.0.2.1",
		`flags[new-cart]:true`, `flags["shade"]:teal`, "lambda.function_name:charge", "lambda.memory_limit:>128", "lambda.memory_limit:<=0.256k",
		"contexts.lambda.timeout:30", "retries:>10", "tags[retries,number]:12", "tag.tenant:north", "tenant:[north,south]", `weird:">5 apples"`,
		"release.version:2.1.0", "release.version:>=2.0", "release.version:2.1.*", "release.build:88", "release.build:>80",
		"has:stack.function", "has:user.email", "has:user.username", "has:lambda.memory_limit", "has:trace", "has:tenant", "timesSeen:1 unhandled:true",
	} {
		if got := w.find(t, postgres.IssueQuery{Query: query(t, q)}, ids); got != "a" {
			t.Errorf("%s: want a, got %q", q, got)
		}
		if q == "timesSeen:1 unhandled:true" {
			continue
		}
		if got := w.find(t, postgres.IssueQuery{Query: query(t, "!"+q)}, ids); got != "bc" {
			t.Errorf("!%s: want bc, got %q", q, got)
		}
	}
	for q, want := range map[string]string{
		"user.id:8": "b", "has:user.id": "ab", "retries:<5": "b", "retries:>=3": "ab", "release.package:shop": "abc", "release.package:api": "", "release.stage:replaced": "",
		"release.stage:[adopted,low_adoption]": "abc", "release.version:<2": "bc", "!release.version:<2": "a", "firstRelease:latest": "a",
		"timestamp:-24h": "abc", "timestamp:+24h": "", "detector:error": "abc", "!detector:error": "", "project.id:1": "abc", "project.id:>1": "",
		"is:linked": "", "is:unlinked": "abc", "is:reprocessing": "", "is:for_review": "abc", "!is:for_review": "",
		"id:" + bID.String(): "b", "!id:" + bID.String(): "ac", "regressed_in_release:shop@1.0.0": "", "lambda.nested:x": "",
	} {
		if got := w.find(t, postgres.IssueQuery{Query: query(t, q)}, ids); got != want {
			t.Errorf("%s: want %q, got %q", q, want, got)
		}
	}
}

func TestSearchesKnowWhoAsks(t *testing.T) {
	t.Parallel()
	w, ids := propertyWorld(t)
	u, err := w.st.CreateUser(t.Context(), "ann@example.org", "Ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.st.SetMembership(t.Context(), 1, u.ID, account.RoleMember); err != nil {
		t.Fatal(err)
	}
	if err := w.st.MarkIssues(t.Context(), 1, u.ID, []int64{ids["c"]}, postgres.Mark{Bookmarked: new(true)}); err != nil {
		t.Fatal(err)
	}
	ann := fmt.Sprintf("user:%d", u.ID)
	if _, err := w.st.ChangeIssues(t.Context(), 1, []int64{ids["b"]}, issue.Action{Assignee: &ann}, u.ID); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]string{
		"is:mine": "b", "!is:mine": "ac", "is:bookmarked": "c", "!is:bookmarked": "ab", "bookmarks:me": "c", "bookmarks:ann@example.org": "c", "!bookmarks:me": "ab",
		"subscribed:me": "bc", "!subscribed:Ann": "a", "owner:me": "b", "assigned_or_suggested:[me,none]": "abc", "has:bookmarks": "c",
	} {
		if got := w.find(t, postgres.IssueQuery{Query: query(t, q), Me: u.ID}, ids); got != want {
			t.Errorf("%s: want %q, got %q", q, want, got)
		}
	}
	if err := w.st.MarkIssues(t.Context(), 1, u.ID, []int64{ids["c"]}, postgres.Mark{Bookmarked: new(false)}); err != nil {
		t.Fatal(err)
	}
	if got := w.find(t, postgres.IssueQuery{Query: query(t, "is:bookmarked"), Me: u.ID}, ids); got != "" {
		t.Errorf("after taking the bookmark away: %q", got)
	}
}

// TestPropertiesAreStoredOnce records what is known already: nothing is written again.
func TestPropertiesAreStoredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 3 {
		r := sample(n, "same")
		r.Properties = []event.Pair{{Key: "stack.function", Value: "pay"}, {Key: "bad\x00", Value: "\xff"}, {Key: "trace", Value: fmt.Sprint(n)}}
		r.ReceivedAt = time.Now().Add(time.Duration(n) * time.Second)
		r.Sanitize()
		w.record(r)
	}
	w.fold()
	w.want(1, "select count(*) from issue_properties where key = 'stack.function'")
	w.want(3, "select count(*) from issue_properties where key = 'trace'")
	w.want(1, "select count(*) from issue_properties where key = 'bad'")
}

// TestValuesOfUsersAreSuggested: what the tag of users says stands for the property.
func TestValuesOfUsersAreSuggested(t *testing.T) {
	t.Parallel()
	w, _ := propertyWorld(t)
	for key, want := range map[string]string{"user.id": "7", "user.email": "ada@example.com", "user.username": "ada"} {
		list, err := w.st.SuggestValues(t.Context(), []int64{1}, key, want[:1])
		if err != nil || len(list) != 1 || list[0].Value != want {
			t.Errorf("%s: want %q alone, got %+v, %v", key, want, list, err)
		}
	}
}
