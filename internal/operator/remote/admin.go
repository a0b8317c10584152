package remote

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// ProjectCmd groups the commands about projects.
type ProjectCmd struct {
	List   ProjectList   `cmd:"" help:"List projects."`
	Create ProjectCreate `cmd:"" help:"Make a project and print its DSN."`
}

type projectView struct {
	ID       string  `json:"id"`
	Slug     string  `json:"slug"`
	Name     string  `json:"name"`
	Platform *string `json:"platform"`
	DSN      string  `json:"dsn,omitempty"`
}

type keyView struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	IsActive bool   `json:"isActive"`
	DSN      struct {
		Public string `json:"public"`
	} `json:"dsn"`
}

// ProjectList lists projects.
type ProjectList struct{ Server }

// Run implements the command.
func (l *ProjectList) Run(ctx context.Context, out io.Writer) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	list := []projectView{}
	err = Each(ctx, c, c.OrgPath("projects/"), nil, 0, func(p projectView) (bool, error) {
		list = append(list, p)
		return true, nil
	})
	if err != nil {
		return err
	}
	return l.print(out, list, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tSLUG\tNAME") // Flush reports
		for _, p := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\n", p.ID, p.Slug, plain(p.Name, 60))
		}
		return t.Flush()
	})
}

// ProjectCreate makes a project.
type ProjectCreate struct {
	Server
	Name     string `arg:"" help:"Name of the project."`
	Slug     string `help:"Slug; made from the name when empty."`
	Platform string `help:"Platform, such as python or javascript-react."`
	Team     string `help:"Team that gets access, by slug."`
}

// Run implements the command.
func (p *ProjectCreate) Run(ctx context.Context, out io.Writer) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	body := map[string]any{"name": p.Name}
	if p.Slug != "" {
		body["slug"] = p.Slug
	}
	if p.Platform != "" {
		body["platform"] = p.Platform
	}
	path := c.OrgPath("projects/")
	if p.Team != "" {
		path = "/api/0/teams/" + url.PathEscape(c.Org) + "/" + url.PathEscape(p.Team) + "/projects/"
	}
	var made projectView
	if _, err := c.Call(ctx, http.MethodPost, path, nil, body, &made); err != nil {
		return err
	}
	var keys []keyView
	if _, err := c.Call(ctx, http.MethodGet, c.ProjectPath(made.Slug, "keys/"), nil, nil, &keys); err != nil {
		return err
	}
	if len(keys) > 0 {
		made.DSN = keys[0].DSN.Public
	}
	return p.print(out, made, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "project %s, id %s\n%s\n", made.Slug, made.ID, made.DSN)
		return err
	})
}

// KeyCmd groups the commands about client keys.
type KeyCmd struct {
	List   KeyList   `cmd:"" help:"List the client keys of a project."`
	Create KeyCreate `cmd:"" help:"Make a client key and print its DSN."`
}

// KeyList lists client keys.
type KeyList struct {
	Server
	Project string `arg:"" help:"Project, by slug."`
}

// Run implements the command.
func (l *KeyList) Run(ctx context.Context, out io.Writer) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	var keys []keyView
	if _, err := c.Call(ctx, http.MethodGet, c.ProjectPath(l.Project, "keys/"), nil, nil, &keys); err != nil {
		return err
	}
	return l.print(out, keys, func(w io.Writer) error {
		for _, k := range keys {
			state := "active"
			if !k.IsActive {
				state = "off"
			}
			if _, err := fmt.Fprintf(w, "%s\t%s\t%s\n", k.DSN.Public, state, plain(k.Name, 64)); err != nil {
				return err
			}
		}
		return nil
	})
}

// KeyCreate makes a client key.
type KeyCreate struct {
	Server
	Project string        `arg:"" help:"Project, by slug."`
	Name    string        `help:"Name of the key." default:"CLI"`
	Count   int           `help:"Rate limit: events per --window; 0 is none."`
	Window  time.Duration `help:"Window of the rate limit." default:"1m"`
}

// Run implements the command.
func (k *KeyCreate) Run(ctx context.Context, out io.Writer) error {
	c, err := k.Client()
	if err != nil {
		return err
	}
	body := map[string]any{"name": k.Name}
	if k.Count > 0 {
		body["rateLimit"] = map[string]any{"count": k.Count, "window": int(k.Window.Seconds())}
	}
	var made keyView
	if _, err := c.Call(ctx, http.MethodPost, c.ProjectPath(k.Project, "keys/"), nil, body, &made); err != nil {
		return err
	}
	return k.print(out, made, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, made.DSN.Public)
		return err
	})
}

// UserCmd groups the commands about people.
type UserCmd struct {
	Create UserCreate `cmd:"" help:"Make an account with a password and a place in the organization."`
	Invite UserInvite `cmd:"" help:"Invite an address and print the link."`
	Reset  UserReset  `cmd:"" help:"Make a link that lets a member choose a new password."`
}

// UserCreate makes an account.
type UserCreate struct {
	Server
	Email    string `arg:"" help:"Address."`
	Name     string `help:"Name."`
	Role     string `help:"Role: viewer, member, admin, manager or owner." default:"member" enum:"viewer,member,admin,manager,owner"`
	Password string `help:"Password; one is made and printed when empty." env:"TOCSIN_NEW_PASSWORD"`
}

// Run implements the command.
func (u *UserCreate) Run(ctx context.Context, out io.Writer) error {
	c, err := u.Client()
	if err != nil {
		return err
	}
	made := u.Password == ""
	if made {
		u.Password = strings.ToLower(rand.Text()[:24]) // 120 random bits
	}
	var m struct {
		ID string `json:"id"`
	}
	body := map[string]any{"email": u.Email, "name": u.Name, "role": u.Role, "password": u.Password}
	if _, err := c.Call(ctx, http.MethodPost, "/api/v1/organizations/"+url.PathEscape(c.Org)+"/users/", nil, body, &m); err != nil {
		return err
	}
	answer := map[string]any{"id": m.ID, "email": u.Email, "role": u.Role}
	if made {
		answer["password"] = u.Password
	}
	return u.print(out, answer, func(w io.Writer) error {
		if !made {
			_, err := fmt.Fprintf(w, "%s is a %s now\n", u.Email, u.Role)
			return err
		}
		_, err := fmt.Fprintf(w, "%s is a %s now, with the password\n%s\n", u.Email, u.Role, u.Password)
		return err
	})
}

// UserInvite invites an address.
type UserInvite struct {
	Server
	Email string   `arg:"" help:"Address."`
	Role  string   `help:"Role: viewer, member, admin, manager or owner." default:"member" enum:"viewer,member,admin,manager,owner"`
	Team  []string `help:"Teams, by slug."`
	Mail  bool     `help:"Mail the link too, where the installation sends mail." default:"true" negatable:""`
}

// Run implements the command.
func (u *UserInvite) Run(ctx context.Context, out io.Writer) error {
	c, err := u.Client()
	if err != nil {
		return err
	}
	var m struct {
		ID   string `json:"id"`
		Link string `json:"invite_link"`
	}
	body := map[string]any{"email": u.Email, "orgRole": u.Role, "sendInvite": u.Mail}
	if len(u.Team) > 0 {
		body["teams"] = u.Team
	}
	if _, err := c.Call(ctx, http.MethodPost, c.OrgPath("members/"), nil, body, &m); err != nil {
		return err
	}
	return u.print(out, map[string]any{"id": m.ID, "email": u.Email, "link": m.Link}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, m.Link)
		return err
	})
}

// UserReset makes a link to a new password.
type UserReset struct {
	Server
	Email string `arg:"" help:"Address of a member."`
}

// Run implements the command.
func (u *UserReset) Run(ctx context.Context, out io.Writer) error {
	c, err := u.Client()
	if err != nil {
		return err
	}
	var found []struct {
		ID      string `json:"id"`
		Pending bool   `json:"pending"`
	}
	if _, err := c.Call(ctx, http.MethodGet, c.OrgPath("members/"), url.Values{"query": {"email:" + u.Email}}, nil, &found); err != nil {
		return err
	}
	if len(found) == 0 || found[0].Pending {
		return fault.New(fault.Unknown, "%s is no member of %s", u.Email, c.Org)
	}
	var link struct {
		Link string `json:"link"`
	}
	path := "/api/v1/organizations/" + url.PathEscape(c.Org) + "/members/" + found[0].ID + "/reset/"
	if _, err := c.Call(ctx, http.MethodPost, path, nil, map[string]any{}, &link); err != nil {
		return err
	}
	return u.print(out, link, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, link.Link)
		return err
	})
}

// TokenCmd groups the commands about tokens.
type TokenCmd struct {
	Create TokenCreate `cmd:"" help:"Make an API token and print it."`
	List   TokenList   `cmd:"" help:"List tokens."`
	Revoke TokenRevoke `cmd:"" help:"Revoke a token."`
}

// TokenCreate makes a token.
type TokenCreate struct {
	Server
	Name         string        `arg:"" help:"What it is for."`
	Scope        []string      `help:"Scopes, such as event:read; org:ci for build machines." default:"org:ci"`
	Project      []string      `help:"Only these projects, by slug; it belongs to the organization then."`
	Organization bool          `help:"Make a token of the organization's own, which outlives its maker."`
	Expires      time.Duration `help:"How long it is good, such as 2160h; 0 is for ever."`
}

// Run implements the command.
func (t *TokenCreate) Run(ctx context.Context, out io.Writer) error {
	c, err := t.Client()
	if err != nil {
		return err
	}
	body := map[string]any{"name": t.Name, "scopes": t.Scope}
	if t.Expires > 0 {
		body["expiresAt"] = time.Now().Add(t.Expires).UTC().Format(time.RFC3339)
	}
	path := "/api/0/api-tokens/"
	if t.Organization || len(t.Project) > 0 {
		path = "/api/v1/organizations/" + url.PathEscape(c.Org) + "/tokens/"
		body["projects"] = t.Project
	}
	var made map[string]any
	if _, err := c.Call(ctx, http.MethodPost, path, nil, body, &made); err != nil {
		return err
	}
	return t.print(out, made, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, made["token"])
		return err
	})
}

// TokenList lists tokens.
type TokenList struct {
	Server
	Organization bool `help:"Those of the organization's own."`
}

type tokenView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Scopes     []string   `json:"scopes"`
	Last       string     `json:"tokenLastCharacters"`
	LastUsedAt *time.Time `json:"dateLastUsed"`
	ExpiresAt  *time.Time `json:"expiresAt"`
}

// Run implements the command.
func (l *TokenList) Run(ctx context.Context, out io.Writer) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	path := "/api/0/api-tokens/"
	if l.Organization {
		path = c.OrgPath("org-auth-tokens/")
	}
	list := []tokenView{}
	if err := Each(ctx, c, path, nil, 0, func(t tokenView) (bool, error) {
		list = append(list, t)
		return true, nil
	}); err != nil {
		return err
	}
	return l.print(out, list, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tENDS IN\tKIND\tNAME\tSCOPES") // Flush reports
		for _, k := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Last, k.Kind, plain(k.Name, 40), strings.Join(k.Scopes, " "))
		}
		return t.Flush()
	})
}

// TokenRevoke revokes a token.
type TokenRevoke struct {
	Server
	ID           string `arg:"" help:"Id of the token."`
	Organization bool   `help:"It is one of the organization's own."`
}

// Run implements the command.
func (r *TokenRevoke) Run(ctx context.Context, out io.Writer) error {
	c, err := r.Client()
	if err != nil {
		return err
	}
	if r.Organization {
		_, err = c.Call(ctx, http.MethodDelete, c.OrgPath("org-auth-tokens/"+url.PathEscape(r.ID)+"/"), nil, nil, nil)
	} else {
		_, err = c.Call(ctx, http.MethodDelete, "/api/0/api-tokens/", nil, map[string]any{"tokenId": r.ID}, nil)
	}
	if err != nil {
		return err
	}
	return r.print(out, map[string]any{"revoked": r.ID}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "revoked")
		return err
	})
}
