package scim

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
)

// userDoc is what a provider says of a user.
type userDoc struct {
	UserName    string `json:"userName"`
	ExternalID  string `json:"externalId"`
	DisplayName string `json:"displayName"`
	Name        struct {
		Formatted  string `json:"formatted"`
		GivenName  string `json:"givenName"`
		FamilyName string `json:"familyName"`
	} `json:"name"`
	Emails []struct {
		Value   string `json:"value"`
		Primary bool   `json:"primary"`
	} `json:"emails"`
	Active *bool `json:"active"`
}

// name is the fullest name the provider gives.
func (d *userDoc) name() string {
	for _, s := range []string{d.DisplayName, d.Name.Formatted, strings.TrimSpace(d.Name.GivenName + " " + d.Name.FamilyName)} {
		if s != "" {
			return s
		}
	}
	return ""
}

// email is the user name when that is an address, else the primary address.
func (d *userDoc) email() (string, error) {
	if email, err := account.CheckEmail(d.UserName); err == nil {
		return email, nil
	}
	for _, primary := range []bool{true, false} {
		for _, e := range d.Emails {
			if email, err := account.CheckEmail(e.Value); err == nil && (e.Primary || !primary) {
				return email, nil
			}
		}
	}
	return "", fault.New(fault.Invalid, "userName or emails must have a valid address.")
}

func (c *call) userShape(m account.Member) object {
	groups := []object{}
	for _, t := range m.Teams {
		groups = append(groups, object{"value": strconv.FormatInt(t.Team, 10), "display": t.Slug, "$ref": c.location("Groups", t.Team)})
	}
	o := object{
		"schemas": []string{schemaUser}, "id": strconv.FormatInt(m.ID, 10), "userName": m.Email, "displayName": m.User.DisplayName(), "active": m.Active,
		"name":   object{"formatted": m.User.DisplayName()},
		"emails": []object{{"value": m.Email, "primary": true, "type": "work"}}, "groups": groups,
		"meta": object{"resourceType": "User", "created": m.CreatedAt.UTC(), "location": c.location("Users", m.ID)},
	}
	if m.ExternalID != "" {
		o["externalId"] = m.ExternalID
	}
	return o
}

func listUsers(c *call) error {
	match, err := parseFilter(c.r.URL.Query().Get("filter"))
	if err != nil {
		return err
	}
	members, err := c.Store.MemberList(c.r.Context(), c.org())
	if err != nil {
		return err
	}
	found := []object{}
	for _, m := range members {
		if match(map[string]string{"username": strings.ToLower(m.Email), "emails.value": strings.ToLower(m.Email), "emails": strings.ToLower(m.Email), "externalid": m.ExternalID,
			"id": strconv.FormatInt(m.ID, 10), "active": strconv.FormatBool(m.Active), "displayname": m.User.DisplayName()}) {
			found = append(found, c.userShape(m))
		}
	}
	return c.list(found)
}

func (c *call) member() (account.Member, error) {
	id, err := c.pathID()
	if err != nil {
		return account.Member{}, err
	}
	return c.Store.Member(c.r.Context(), c.org(), id)
}

func getUser(c *call) error {
	m, err := c.member()
	if err != nil {
		return err
	}
	return answer(c.w, http.StatusOK, c.asked(c.userShape(m)))
}

// createUser makes an account, or gives one that exists a place here; without a password, it is
// entered through the provider.
func createUser(c *call) error {
	var d userDoc
	if err := c.read(&d); err != nil {
		return err
	}
	email, err := d.email()
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	role := account.RoleMember
	if p, err := c.Store.IdentityProvider(ctx, c.who.Organization.Slug); err == nil {
		role = p.DefaultRole
	}
	id, err := c.Store.ProvisionMember(ctx, c.org(), email, d.name(), d.ExternalID, role, d.Active == nil || *d.Active)
	if err != nil {
		return err
	}
	c.note = audit.Note{Event: "scim.user.create", Target: email}
	m, err := c.Store.Member(ctx, c.org(), id)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", c.location("Users", id))
	return answer(c.w, http.StatusCreated, c.asked(c.userShape(m)))
}

func replaceUser(c *call) error {
	m, err := c.member()
	if err != nil {
		return err
	}
	var d userDoc
	if err := c.read(&d); err != nil {
		return err
	}
	return c.applyUser(m, d)
}

// applyUser makes a member what the document says, as far as it is this organization's to say.
func (c *call) applyUser(m account.Member, d userDoc) error {
	ctx := c.r.Context()
	email, err := d.email()
	if err != nil {
		return err
	}
	name := d.name()
	if name == "" {
		name = m.User.Name
	}
	if !strings.EqualFold(email, m.Email) || name != m.User.DisplayName() {
		if err := c.changeAccount(m, email, name); err != nil {
			return err
		}
	}
	yes := true
	change := postgres.MemberChange{Provisioned: &yes, Active: d.Active}
	if d.ExternalID != "" {
		change.ExternalID = &d.ExternalID
	}
	if err := c.Store.UpdateMember(ctx, c.org(), m.ID, change); err != nil {
		return err
	}
	c.note = audit.Note{Event: "scim.user.edit", Target: email}
	if d.Active != nil && *d.Active != m.Active {
		c.note.Event = map[bool]string{true: "scim.user.enable", false: "scim.user.disable"}[*d.Active]
	}
	if m, err = c.Store.Member(ctx, c.org(), m.ID); err != nil {
		return err
	}
	return answer(c.w, http.StatusOK, c.asked(c.userShape(m)))
}

// changeAccount renames an account that belongs to this organization alone. Another organization's
// member keeps address and name: whoever could change the address could take the account over.
func (c *call) changeAccount(m account.Member, email, name string) error {
	places, err := c.Store.Memberships(c.r.Context(), m.ID)
	if err != nil {
		return err
	}
	if len(places) > 1 {
		if strings.EqualFold(email, m.Email) {
			return nil // a name alone is not worth a refusal
		}
		return fault.New(fault.Denied, "This account belongs to other organizations too, so its address is not this provider's to change.")
	}
	return c.Store.SetUser(c.r.Context(), m.ID, name, email)
}

func patchUser(c *call) error {
	m, err := c.member()
	if err != nil {
		return err
	}
	ops, err := c.readPatch()
	if err != nil {
		return err
	}
	d := userDoc{UserName: m.Email, ExternalID: m.ExternalID, DisplayName: m.User.DisplayName()}
	for _, op := range ops {
		if err := op.applyUser(&d); err != nil {
			return err
		}
	}
	return c.applyUser(m, d)
}

func deleteUser(c *call) error {
	m, err := c.member()
	if err != nil {
		return err
	}
	if err := c.Store.RemoveMember(c.r.Context(), c.org(), m.ID); err != nil {
		return err
	}
	c.note = audit.Note{Event: "scim.user.remove", Target: m.Email}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
