package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
)

func tokenShape(t account.Token) object {
	return object{
		"id": id(t.ID), "name": t.Name, "scopes": t.Scopes.Strings(), "application": nil, "expiresAt": maybeTime(t.ExpiresAt),
		"dateCreated": utc(t.CreatedAt), "dateLastUsed": maybeTime(t.LastUsedAt), "state": nil, "tokenLastCharacters": t.LastCharacters,
		"kind": t.Kind, "projects": idStrings(t.Projects), "createdBy": maybe(t.Creator),
	}
}

func idStrings(ids []int64) []string {
	out := make([]string, len(ids))
	for i, n := range ids {
		out[i] = id(n)
	}
	return out
}

// person is the caller's user. fault.Denied: the caller is a token of the organization's own.
func (r *request) person() (*account.User, error) {
	if r.who.User == nil {
		return nil, fault.New(fault.Denied, "You do not have permission to perform this action: it needs a user, and this token speaks for none.")
	}
	return r.who.User, nil
}

// apiTokens answers GET /api/0/api-tokens/ with the caller's own.
func (s *Service) apiTokens(w http.ResponseWriter, r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	return s.listTokens(w, r, u.ID)
}

func (s *Service) listTokens(w http.ResponseWriter, r *request, user int64) error {
	list, err := s.Store.Tokens(r.Context(), r.org(), user)
	if err != nil {
		return err
	}
	if list, err = window(s, w, r, list); err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, t := range list {
		out[i] = tokenShape(t)
	}
	return ok(w, out)
}

// tokenBody says what a new token may do.
type tokenBody struct {
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	Projects  []string   `json:"projects"` // ids or slugs; none: every project in reach
	ExpiresAt *time.Time `json:"expiresAt"`
	Kind      string     `json:"kind"`
}

// MaxTokenName bounds a token's name, in characters.
const MaxTokenName = 255

// token makes a token of the body, which gets no more than the caller has.
func (s *Service) token(r *request, b *tokenBody) (account.Token, error) {
	t := account.Token{Organization: r.org(), Name: strings.TrimSpace(b.Name), ExpiresAt: b.ExpiresAt, CreatedBy: r.who.UserID()}
	if len([]rune(t.Name)) > MaxTokenName {
		return t, fieldError{"name", "Ensure this field has no more than 255 characters."}
	}
	if b.ExpiresAt != nil && !b.ExpiresAt.After(time.Now()) {
		return t, fieldError{"expiresAt", "This moment has passed already."}
	}
	if len(b.Scopes) == 0 {
		return t, fieldError{"scopes", "This field is required."}
	}
	for _, text := range b.Scopes {
		scope := account.Scope(text)
		if !slices.Contains(account.AllScopes, scope) {
			return t, fieldError{"scopes", `"` + text + `" is not a valid choice.`}
		}
		if !r.who.Scopes.Has(scope) && scope != account.OrgCI {
			return t, fieldError{"scopes", "You cannot give " + text + ", which you do not have."}
		}
		t.Scopes = append(t.Scopes, scope)
	}
	if len(b.Projects) == 0 {
		t.Projects = r.who.Projects // nil, unless the caller is a token for some projects itself
		if r.who.Token == 0 {
			t.Projects = nil
		}
		return t, nil
	}
	t.Projects = []int64{}
	for _, name := range b.Projects {
		p, err := s.Store.Project(r.Context(), r.org(), name)
		if err != nil {
			if fault.KindOf(err) == fault.Unknown {
				return t, fieldError{"projects", "There is no project " + name + "."}
			}
			return t, err
		}
		t.Projects = append(t.Projects, p.ID)
	}
	return t, nil
}

// createAPIToken answers POST /api/0/api-tokens/ with a token of the caller's, told once.
func (s *Service) createAPIToken(w http.ResponseWriter, r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	var b tokenBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	t, err := s.token(r, &b)
	if err != nil {
		return err
	}
	t.User, t.Kind = u.ID, account.TokenUser
	return s.answerToken(w, r, t, account.NewUserToken())
}

func (s *Service) answerToken(w http.ResponseWriter, r *request, t account.Token, secret string) error {
	t, secret, err := s.Store.StoreToken(r.Context(), t, secret)
	if err != nil {
		return err
	}
	r.audit.Event, r.audit.Target = "token.create", t.Name
	o := tokenShape(t)
	o["token"], o["refreshToken"] = secret, nil
	return httpx.JSON(w, http.StatusCreated, o)
}

// deleteAPIToken answers DELETE /api/0/api-tokens/ with 204; the body names the token.
func (s *Service) deleteAPIToken(w http.ResponseWriter, r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	var b struct {
		TokenID json.RawMessage `json:"tokenId"` // a number or its text
		Token   *string         `json:"token"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	name := strings.Trim(string(b.TokenID), `"`)
	if name == "null" {
		name = ""
	}
	if name == "" && b.Token != nil {
		h, err := s.Store.TokenByHash(r.Context(), account.HashToken(*b.Token))
		if err != nil {
			return errNotFound()
		}
		name = id(h.Token)
	}
	if name == "" {
		return httpx.JSON(w, http.StatusBadRequest, object{"tokenId": ""})
	}
	return s.endToken(w, r, u.ID, name)
}

func (s *Service) endToken(w http.ResponseWriter, r *request, user int64, name string) error {
	n, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return errNotFound()
	}
	_, title, err := s.Store.RevokeOwnToken(r.Context(), r.org(), user, n)
	if err != nil {
		return err
	}
	s.Forget()
	r.audit.Event, r.audit.Target = "token.revoke", title
	return noContent(w)
}

// orgTokenShape is a token of the organization's own as Sentry's command lines know it.
func orgTokenShape(t account.Token) object {
	o := tokenShape(t)
	o["projectLastUsedId"] = nil
	return o
}

// orgTokens answers GET …/org-auth-tokens/, last used first.
func (s *Service) orgTokens(w http.ResponseWriter, r *request) error { return s.listTokens(w, r, 0) }

// createOrgToken answers POST …/org-auth-tokens/: a token for build machines, told once.
func (s *Service) createOrgToken(w http.ResponseWriter, r *request) error {
	var b struct {
		Name string `json:"name"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if strings.TrimSpace(b.Name) == "" {
		return httpx.JSON(w, http.StatusBadRequest, object{"detail": []string{"The name cannot be blank."}})
	}
	return s.storeOrgToken(w, r, &tokenBody{Name: b.Name, Scopes: []string{string(account.OrgCI)}})
}

// createToken answers POST /api/v1/organizations/{org}/tokens/: a token of the organization's own
// with chosen scopes, for all or some projects, told once.
func (s *Service) createToken(w http.ResponseWriter, r *request) error {
	var b tokenBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if strings.TrimSpace(b.Name) == "" {
		return fieldError{"name", "This field is required."}
	}
	return s.storeOrgToken(w, r, &b)
}

func (s *Service) storeOrgToken(w http.ResponseWriter, r *request, b *tokenBody) error {
	t, err := s.token(r, b)
	if err != nil {
		return err
	}
	switch kind := account.TokenKind(b.Kind); {
	case kind == account.TokenSCIM:
		if err := r.who.Require(account.OrgAdmin); err != nil {
			return err
		}
		t.Kind = account.TokenSCIM
	case kind != "" && kind != account.TokenOrganization && kind != account.TokenProject:
		return fieldError{"kind", "A kind is organization, project or scim."}
	case t.Projects != nil:
		t.Kind = account.TokenProject
	case kind == account.TokenProject:
		return fieldError{"projects", "A project token names its projects."}
	default:
		t.Kind = account.TokenOrganization
	}
	return s.answerToken(w, r, t, account.NewOrganizationToken(r.who.Organization.Slug, s.BaseURL, time.Now()))
}

func (s *Service) pathToken(r *request) (account.Token, error) {
	list, err := s.Store.Tokens(r.Context(), r.org(), 0)
	if err != nil {
		return account.Token{}, err
	}
	for _, t := range list {
		if id(t.ID) == r.PathValue("id") {
			return t, nil
		}
	}
	return account.Token{}, errNotFound()
}

// orgToken answers GET …/org-auth-tokens/{id}/.
func (s *Service) orgToken(w http.ResponseWriter, r *request) error {
	t, err := s.pathToken(r)
	if err != nil {
		return err
	}
	return ok(w, orgTokenShape(t))
}

// renameOrgToken answers PUT …/org-auth-tokens/{id}/ with 204.
func (s *Service) renameOrgToken(w http.ResponseWriter, r *request) error {
	t, err := s.pathToken(r)
	if err != nil {
		return err
	}
	var b struct {
		Name string `json:"name"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if strings.TrimSpace(b.Name) == "" {
		return httpx.JSON(w, http.StatusBadRequest, object{"detail": []string{"The name cannot be blank."}})
	}
	if err := s.Store.RenameToken(r.Context(), r.org(), 0, t.ID, b.Name); err != nil {
		return err
	}
	return noContent(w)
}

// deleteOrgToken answers DELETE …/org-auth-tokens/{id}/ with 204.
func (s *Service) deleteOrgToken(w http.ResponseWriter, r *request) error {
	return s.endToken(w, r, 0, r.PathValue("id"))
}
