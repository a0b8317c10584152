package app

import "testing"

func TestWhatSDKsCallGoesToIngest(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/api/1/envelope/": true, "/api/1/store": true, "/api/store/": true, "/api/foo/envelope/": true, "/api/1": true,
		"/api/1/cron/nightly/": true, "/api/1/integration/otlp/v1/logs": true, "/api/relay/healthcheck/live/": true,
		"/tunnel": true, "/tunnel/": true, "/js-sdk-loader/a.js": true,
		"/": false, "/tunnels": false, "/tunnel/x": false, "/js-sdk-loader": false, "/api/": false, "/api/foo": false,
		"/api/0/projects/": false, "/api/v1/x/": false, "/api/embed/error-page/": true, "/api/canonical/x": false, "/o/x/": false,
	} {
		if got := isIngest(path); got != want {
			t.Errorf("%s: want %t, got %t", path, want, got)
		}
	}
}
