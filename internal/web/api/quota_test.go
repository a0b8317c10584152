package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

func TestQuotasReachIngest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ofProject, ofOrg = "/api/v1/projects/default/shop/quotas/", "/api/v1/organizations/default/quotas/"
	const mine = `[{"id":"errors","categories":["error"],"scope":"key","scopeId":null,"limit":100,"window":3600,"reasonCode":"key_errors"}]`
	const ours = `[{"id":"off","categories":["replay"],"scope":"organization","limit":0,"reasonCode":"replay_disabled"}]`
	for path, body := range map[string]string{ofProject: mine, ofOrg: ours} {
		if a := w.want(200, "GET", path); string(a.body) != "[]" {
			t.Errorf("%s begins as %s", path, a.body)
		}
		put := w.want(200, "PUT", path, body)
		if got := w.want(200, "GET", path); string(got.body) != string(put.body) {
			t.Errorf("%s: put %s, got %s", path, put.body, got.body)
		}
	}
	snapshots, err := w.st.Snapshots(t.Context())
	if err != nil || len(snapshots) != 1 {
		t.Fatalf("snapshots: %v %v", snapshots, err)
	}
	want := [][]quota.Quota{
		{{ID: "errors", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeKey, Limit: 100, Window: time.Hour, Reason: "key_errors"}},
		{{ID: "off", Categories: []outcome.Category{outcome.Replay}, Scope: quota.ScopeOrganization, Reason: "replay_disabled"}},
	}
	if diff := cmp.Diff(want, [][]quota.Quota{snapshots[0].Settings.Quotas, snapshots[0].Quotas}); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	for _, body := range []string{ours, `[{"id":"x"}]`, `[{"id":"a","categories":["nonsense"],"scope":"project","limit":1,"window":60,"reasonCode":"r"}]`,
		`[{"id":"a","categories":["error"],"scope":"project","limit":1,"window":-5,"reasonCode":"r"}]`, `{}`,
		`[{"id":"a","categories":["error"],"scope":"project","scopeId":"x","limit":1,"window":60,"reasonCode":"r"}]`} {
		w.want(400, "PUT", ofProject, body)
	}
}
