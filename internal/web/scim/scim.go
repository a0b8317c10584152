// Package scim lets an organization's identity provider keep its members and teams: SCIM 2.0 users
// are memberships, groups are teams.
//
//	provider ── Bearer token of kind scim ──▶ /scim/v2/{org}/Users, Groups ──▶ memberships, teams
//
// An account may belong to several organizations, so one organization's provider switches a
// membership on and off and never touches what the account is elsewhere: its address and name
// change only while it belongs to this organization alone.
//
// Rule: https://www.rfc-editor.org/rfc/rfc7643, https://www.rfc-editor.org/rfc/rfc7644
package scim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
)

// Options are what the endpoints work with.
type Options struct {
	Store        *postgres.Store
	BaseURL      string
	Authenticate func(*http.Request) (*account.Principal, error)
	Trail        audit.Trail
	Changed      func() // called after a change of who may do what
}

const (
	maxBody  = 1 << 20
	maxCount = 100 // resources of a page
	media    = "application/scim+json"

	schemaUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup = "urn:ietf:params:scim:schemas:core:2.0:Group"
	schemaList  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	schemaPatch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	schemaError = "urn:ietf:params:scim:api:messages:2.0:Error"
)

type object map[string]any

// call is one request with who makes it.
type call struct {
	*Options
	w    http.ResponseWriter
	r    *http.Request
	who  *account.Principal
	note audit.Note
}

func (c *call) org() int64 { return c.who.Organization.ID }

const base = "/scim/v2/{org}/"

// routes are all that is answered.
func routes() map[string]func(*call) error {
	return map[string]func(*call) error{
		"GET " + base + "ServiceProviderConfig": config, "GET " + base + "ResourceTypes": resourceTypes, "GET " + base + "Schemas": schemas,
		"GET " + base + "Users": listUsers, "POST " + base + "Users": createUser, "GET " + base + "Users/{id}": getUser,
		"PUT " + base + "Users/{id}": replaceUser, "PATCH " + base + "Users/{id}": patchUser, "DELETE " + base + "Users/{id}": deleteUser,
		"GET " + base + "Groups": listGroups, "POST " + base + "Groups": createGroup, "GET " + base + "Groups/{id}": getGroup,
		"PUT " + base + "Groups/{id}": replaceGroup, "PATCH " + base + "Groups/{id}": patchGroup, "DELETE " + base + "Groups/{id}": deleteGroup,
	}
}

// New answers every path below /scim/v2/.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range routes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { serve(&o, h, w, r) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, fault.New(fault.Unknown, "There is no such resource."))
	})
	return mux
}

func serve(o *Options, h func(*call) error, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c := &call{Options: o, w: w, r: r}
	who, err := admit(o, r)
	if err == nil {
		c.who = who
		c.r = r.WithContext(account.WithPrincipal(r.Context(), who))
		err = h(c)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	if r.Method != http.MethodGet {
		if o.Changed != nil {
			o.Changed()
		}
		o.Trail.Record(r.Context(), r, who, c.note)
	}
}

// admit lets in who may manage members and teams of the organization that the path names.
func admit(o *Options, r *http.Request) (*account.Principal, error) {
	who, err := o.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if who == nil || who.Token == 0 {
		return nil, fault.New(fault.Unauthenticated, "A token is needed.")
	}
	if who.Organization.Slug != r.PathValue("org") {
		return nil, fault.New(fault.Unknown, "There is no such resource.")
	}
	if err := who.Require(account.MemberAdmin); err != nil {
		return nil, err
	}
	return who, who.Require(account.TeamAdmin)
}

// fail answers an error as SCIM has it.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Log(r.Context(), r, err)
	kind, text := fault.KindOf(err), fault.Public(err)
	body := object{"schemas": []string{schemaError}, "status": strconv.Itoa(kind.Status()), "detail": text}
	switch kind {
	case fault.Conflict:
		body["scimType"] = "uniqueness"
	case fault.Invalid:
		body["scimType"] = "invalidValue"
	case fault.Unauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	_ = answer(w, kind.Status(), body)
}

func answer(w http.ResponseWriter, status int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode an answer")
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller may have gone
	return nil
}

// read decodes a body, which may have members that we do not know.
func (c *call) read(v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	err := dec.Decode(v)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.TooLarge, "The body is larger than %d bytes.", maxBody)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "The body is no JSON document of the expected shape.")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "The body is more than one document.")
	}
	return nil
}

// list answers one page of resources.
func (c *call) list(all []object) error {
	q := c.r.URL.Query()
	start, count := 1, maxCount
	if n, err := strconv.Atoi(q.Get("startIndex")); err == nil && n > 1 {
		start = n
	}
	if n, err := strconv.Atoi(q.Get("count")); err == nil && n >= 0 {
		count = min(n, maxCount)
	}
	from := min(start-1, len(all))
	page := all[from:min(from+count, len(all))]
	for i := range page {
		page[i] = c.asked(page[i])
	}
	return answer(c.w, http.StatusOK, object{"schemas": []string{schemaList}, "totalResults": len(all), "startIndex": start, "itemsPerPage": len(page), "Resources": page})
}

// asked leaves those attributes of a resource that the request asks for: without those of
// excludedAttributes, or those of attributes alone. What every answer has stays.
// Rule: https://www.rfc-editor.org/rfc/rfc7644#section-3.9
func (c *call) asked(o object) object {
	q := c.r.URL.Query()
	only, except := attributeNames(q.Get("attributes")), attributeNames(q.Get("excludedAttributes"))
	for name := range o {
		switch lower := strings.ToLower(name); {
		case lower == "id" || lower == "schemas":
		case len(only) > 0 && !slices.Contains(only, lower), slices.Contains(except, lower):
			delete(o, name)
		}
	}
	return o
}

// attributeNames are the top-level attributes of a list, in lower case.
func attributeNames(list string) (names []string) {
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(name), strings.ToLower(schemaUser)+":"), strings.ToLower(schemaGroup)+":")
		if name, _, _ = strings.Cut(name, "."); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func (c *call) location(kind string, id int64) string {
	return c.BaseURL + "/scim/v2/" + c.who.Organization.Slug + "/" + kind + "/" + strconv.FormatInt(id, 10)
}

func (c *call) pathID() (int64, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, fault.New(fault.Unknown, "There is no such resource.")
	}
	return id, nil
}

func config(c *call) error {
	yes, no := object{"supported": true}, object{"supported": false}
	return answer(c.w, http.StatusOK, object{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"}, "patch": yes, "sort": no, "etag": no, "changePassword": no,
		"bulk":                  object{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":                object{"supported": true, "maxResults": maxCount},
		"authenticationSchemes": []object{{"type": "oauthbearertoken", "name": "Token", "description": "A token of the kind identity provider", "primary": true}},
	})
}

func resourceTypes(c *call) error {
	kind := func(name, path, schema string) object {
		return object{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": name, "name": name, "endpoint": "/" + path, "schema": schema}
	}
	return c.list([]object{kind("User", "Users", schemaUser), kind("Group", "Groups", schemaGroup)})
}

func schemas(c *call) error {
	text := func(name string, required bool) object {
		return object{"name": name, "type": "string", "multiValued": false, "required": required, "mutability": "readWrite", "returned": "default", "uniqueness": "none"}
	}
	schema := func(id, name string, attributes ...object) object {
		return object{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, "id": id, "name": name, "attributes": attributes}
	}
	members := object{"name": "members", "type": "complex", "multiValued": true, "required": false, "mutability": "readWrite", "returned": "default"}
	active := object{"name": "active", "type": "boolean", "multiValued": false, "required": false, "mutability": "readWrite", "returned": "default"}
	return c.list([]object{schema(schemaUser, "User", text("userName", true), text("displayName", false), text("externalId", false), active),
		schema(schemaGroup, "Group", text("displayName", true), text("externalId", false), members)})
}
