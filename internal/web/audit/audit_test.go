package audit_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/web/audit"
)

func TestRoutesNameTheirEvents(t *testing.T) {
	t.Parallel()
	for _, c := range [][4]string{
		{"PUT", "/api/0/projects/{org}/{project}/", "", "project.edit"},
		{"POST", "/api/0/projects/{org}/{project}/keys/", "", "key.create"},
		{"DELETE", "/api/0/projects/{org}/{project}/keys/{public}/", "", "key.remove"},
		{"POST", "/api/v1/projects/{org}/{project}/keys/{public}/rotate/", "", "key.rotate"},
		{"PUT", "/api/0/organizations/{org}/issues/", "", "issue.edit"},
		{"POST", "/api/0/organizations/{org}/members/{member}/teams/{team}/", "", "member.team.create"},
		{"POST", "/api/v1/organizations/{org}/quotas/", "", "quota.create"},
		{"POST", "/o/{org}/projects/{project}/privacy", "apply", "privacy.apply"},
		{"POST", "/o/{org}/issues", "resolve", "issue.resolve"},
		{"POST", "/account", "password", "account.password"},
		{"POST", "/o/{org}/issues", "Drop table", "issue.create"},
	} {
		if got := audit.EventOf(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%s %s %q: want %s, got %s", c[0], c[1], c[2], c[3], got)
		}
	}
	values := map[string]string{"org": "acme", "project": "shop", "public": "abc"}
	if got := audit.TargetOf("/api/0/projects/{org}/{project}/keys/{public}/", func(n string) string { return values[n] }); got != "shop / abc" {
		t.Errorf("target %q", got)
	}
}
