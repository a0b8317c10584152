package scim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
)

// groupDoc is what a provider says of a group.
type groupDoc struct {
	DisplayName string `json:"displayName"`
	ExternalID  string `json:"externalId"`
	Members     []ref  `json:"members"`
}

type ref struct {
	Value string `json:"value"`
}

func (c *call) groupShape(t account.Team, members []account.Member) object {
	refs := []object{}
	for _, m := range members {
		if inTeam(m, t.ID) {
			refs = append(refs, object{"value": strconv.FormatInt(m.ID, 10), "display": m.Email, "$ref": c.location("Users", m.ID)})
		}
	}
	o := object{"schemas": []string{schemaGroup}, "id": strconv.FormatInt(t.ID, 10), "displayName": t.Name, "members": refs,
		"meta": object{"resourceType": "Group", "created": t.CreatedAt.UTC(), "location": c.location("Groups", t.ID)}}
	if t.ExternalID != "" {
		o["externalId"] = t.ExternalID
	}
	return o
}

func inTeam(m account.Member, team int64) bool {
	return slices.ContainsFunc(m.Teams, func(p account.TeamPlace) bool { return p.Team == team })
}

func listGroups(c *call) error {
	match, err := parseFilter(c.r.URL.Query().Get("filter"))
	if err != nil {
		return err
	}
	teams, err := c.Store.Teams(c.r.Context(), c.org(), 0)
	if err != nil {
		return err
	}
	members, err := c.Store.MemberList(c.r.Context(), c.org())
	if err != nil {
		return err
	}
	found := []object{}
	for _, t := range teams {
		if match(map[string]string{"displayname": t.Name, "externalid": t.ExternalID, "id": strconv.FormatInt(t.ID, 10)}) {
			found = append(found, c.groupShape(t, members))
		}
	}
	return c.list(found)
}

func (c *call) group() (account.Team, error) {
	id, err := c.pathID()
	if err != nil {
		return account.Team{}, err
	}
	return c.Store.Team(c.r.Context(), c.org(), strconv.FormatInt(id, 10), 0)
}

// told answers with a group as it is now.
func (c *call) told(status int, id int64) error {
	t, err := c.Store.Team(c.r.Context(), c.org(), strconv.FormatInt(id, 10), 0)
	if err != nil {
		return err
	}
	members, err := c.Store.MemberList(c.r.Context(), c.org())
	if err != nil {
		return err
	}
	return answer(c.w, status, c.asked(c.groupShape(t, members)))
}

func getGroup(c *call) error {
	t, err := c.group()
	if err != nil {
		return err
	}
	return c.told(http.StatusOK, t.ID)
}

func createGroup(c *call) error {
	var d groupDoc
	if err := c.read(&d); err != nil {
		return err
	}
	d.DisplayName = strings.TrimSpace(d.DisplayName)
	t, err := c.Store.CreateTeam(c.r.Context(), c.org(), account.Slugify(d.DisplayName), d.DisplayName, first(d.ExternalID, "scim"))
	if err != nil {
		return err
	}
	if err := c.setMembers(t, d.Members); err != nil {
		return err
	}
	c.note = audit.Note{Event: "scim.group.create", Target: t.Slug}
	c.w.Header().Set("Location", c.location("Groups", t.ID))
	return c.told(http.StatusCreated, t.ID)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func replaceGroup(c *call) error {
	t, err := c.group()
	if err != nil {
		return err
	}
	var d groupDoc
	if err := c.read(&d); err != nil {
		return err
	}
	return c.applyGroup(t, d)
}

func (c *call) applyGroup(t account.Team, d groupDoc) error {
	if name := strings.TrimSpace(d.DisplayName); name != "" {
		t.Name = name // the slug stays: assignments and ownership rules name it
	}
	t.ExternalID = first(d.ExternalID, first(t.ExternalID, "scim"))
	if err := c.Store.UpdateTeam(c.r.Context(), c.org(), t); err != nil {
		return err
	}
	if err := c.setMembers(t, d.Members); err != nil {
		return err
	}
	c.note = audit.Note{Event: "scim.group.edit", Target: t.Slug, Data: map[string]any{"members": len(d.Members)}}
	return c.told(http.StatusOK, t.ID)
}

// setMembers makes a team's members those listed. Who is no member of the organization is refused.
func (c *call) setMembers(t account.Team, refs []ref) error {
	ctx := c.r.Context()
	members, err := c.Store.MemberList(ctx, c.org())
	if err != nil {
		return err
	}
	want := make(map[int64]bool, len(refs))
	for _, r := range refs {
		id, err := strconv.ParseInt(r.Value, 10, 64)
		if err != nil || !slices.ContainsFunc(members, func(m account.Member) bool { return m.ID == id }) {
			return fault.New(fault.Invalid, "members names somebody who is no user here.")
		}
		want[id] = true
	}
	for _, m := range members {
		switch has := inTeam(m, t.ID); {
		case want[m.ID] && !has:
			if _, err := c.Store.PutTeamMember(ctx, c.org(), t.ID, m.ID, account.TeamContributor); err != nil {
				return err
			}
		case has && !want[m.ID]:
			if err := c.Store.DeleteTeamMember(ctx, c.org(), t.ID, m.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func patchGroup(c *call) error {
	t, err := c.group()
	if err != nil {
		return err
	}
	ops, err := c.readPatch()
	if err != nil {
		return err
	}
	members, err := c.Store.MemberList(c.r.Context(), c.org())
	if err != nil {
		return err
	}
	d := groupDoc{DisplayName: t.Name, ExternalID: t.ExternalID}
	for _, m := range members {
		if inTeam(m, t.ID) {
			d.Members = append(d.Members, ref{strconv.FormatInt(m.ID, 10)})
		}
	}
	for _, op := range ops {
		if err := op.applyGroup(&d); err != nil {
			return err
		}
	}
	return c.applyGroup(t, d)
}

func deleteGroup(c *call) error {
	t, err := c.group()
	if err != nil {
		return err
	}
	if err := c.Store.DeleteTeam(c.r.Context(), c.org(), t.ID); err != nil {
		return err
	}
	c.note = audit.Note{Event: "scim.group.remove", Target: t.Slug}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
