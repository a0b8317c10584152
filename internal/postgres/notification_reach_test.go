package postgres_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// TestOnlyThoseWhoSeeAProjectAreTold subscribes two members to an issue: once the organization keeps
// members to the projects of their teams, the one without a team is told nothing more.
func TestOnlyThoseWhoSeeAProjectAreTold(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), pgtest.New(t)
	made, err := st.Bootstrap(ctx, postgres.BootstrapInput{Organization: "acme", Project: "shop", Email: "owner@example.com", Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	org, err := st.FirstOrganization(ctx)
	if err != nil {
		t.Fatal(err)
	}
	team, err := st.CreateTeam(ctx, org, "web", "Web", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.PutTeamProject(ctx, org, team.ID, made.ProjectID); err != nil {
		t.Fatal(err)
	}
	const issue = 7
	for _, email := range []string{"in@example.com", "out@example.com"} {
		u, err := st.CreateUser(ctx, email, email, "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		if err := st.SetMembership(ctx, org, u.ID, account.RoleMember); err != nil {
			t.Fatal(err)
		}
		if email == "in@example.com" {
			if _, err := st.PutTeamMember(ctx, org, team.ID, u.ID, account.TeamContributor); err != nil {
				t.Fatal(err)
			}
		}
		if err := st.Subscribe(ctx, made.ProjectID, issue, u.ID, "manual"); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, members, subscribers int) {
		t.Helper()
		m, err := st.ProjectMembers(ctx, made.ProjectID)
		if err != nil || len(m) != members {
			t.Errorf("%s: members are %v %v, not %d", when, m, err, members)
		}
		s, err := st.Subscribers(ctx, made.ProjectID, issue)
		if err != nil || len(s) != subscribers {
			t.Errorf("%s: subscribers are %v %v, not %d", when, s, err, subscribers)
		}
	}
	expect("open", 3, 2)
	err = st.ChangeOrganization(ctx, org, func(_ *project.Organization, s *project.OrganizationSettings) error {
		s.ClosedMembership = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expect("closed", 2, 1)
}
