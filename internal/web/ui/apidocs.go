package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// apiContract answers with the description of the API.
func (u *UI) apiContract(v *visit) error {
	v.w.Header().Set("Content-Type", "application/yaml")
	_, _ = v.w.Write(u.Contract) // the reader may have gone
	return nil
}

// tokenDoor leads sentry-cli's "login" to where tokens are made.
func (u *UI) tokenDoor(v *visit) error { return v.redirect("/account/tokens") }

// ssoDoor leads from an organization's name to its provider.
func (u *UI) ssoDoor(v *visit) error {
	slug := strings.TrimSpace(v.r.URL.Query().Get("org"))
	if account.CheckSlug(slug) != nil {
		return v.redirect("/login")
	}
	return v.redirect("/sso/" + url.PathEscape(slug))
}

// apiReference shows the API as people read it.
func (u *UI) apiReference(v *visit) error {
	var err error
	u.contract.Do(func() { u.apiPage, err = readContract(u.Contract) })
	if err != nil || u.apiPage == nil {
		return fault.Wrap(err, fault.Internal, "read the description of the API")
	}
	v.base.Crumbs = []view.Link{{Label: "API"}}
	return v.render(http.StatusOK, "API reference", func(p view.Page) component { return view.API(p, u.apiPage, u.BaseURL) })
}

// readContract turns the description into what the page shows, grouped by what paths are about.
func readContract(raw []byte) (*view.APIPage, error) {
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	page := &view.APIPage{Intro: doc.Info.Description}
	groups := map[string]*view.APIGroup{}
	for _, path := range doc.Paths.InMatchingOrder() {
		item := doc.Paths.Value(path)
		for method, op := range item.Operations() {
			name := groupOf(path)
			if groups[name] == nil {
				groups[name] = &view.APIGroup{Name: name}
			}
			groups[name].Operations = append(groups[name].Operations, operationOf(method, path, item, op))
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.Operations, func(a, b view.APIOperation) int { return compareText(a.Path+a.Method, b.Path+b.Method) })
		page.Groups = append(page.Groups, *g)
	}
	slices.SortFunc(page.Groups, func(a, b view.APIGroup) int { return compareText(a.Name, b.Name) })
	return page, nil
}

// groupOf is the thing that a path is about: its first fixed part that is no owner of others.
func groupOf(path string) string {
	name := "general"
	for p := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if p == "api" || p == "0" || p == "v1" || strings.HasPrefix(p, "{") {
			continue
		}
		name = p
		if p != "organizations" && p != "projects" && p != "teams" {
			break
		}
	}
	return strings.ReplaceAll(name, "-", " ")
}

func operationOf(method, path string, item *openapi3.PathItem, op *openapi3.Operation) view.APIOperation {
	out := view.APIOperation{Method: method, Path: path, Summary: op.Summary, Description: op.Description}
	for _, p := range slices.Concat(item.Parameters, op.Parameters) {
		if p.Value != nil {
			out.Parameters = append(out.Parameters, view.APIField{Name: p.Value.Name, Where: p.Value.In, Type: typeOf(p.Value.Schema), Text: p.Value.Description, Required: p.Value.Required})
		}
	}
	if op.RequestBody != nil && op.RequestBody.Value != nil {
		if m := op.RequestBody.Value.Content.Get("application/json"); m != nil {
			out.Body = fieldsOf(m.Schema)
		}
	}
	for status, res := range op.Responses.Map() {
		row := view.APIAnswer{Status: status}
		if res.Value != nil && res.Value.Description != nil {
			row.Text = *res.Value.Description
		}
		if res.Value != nil {
			if m := res.Value.Content.Get("application/json"); m != nil {
				row.Type, row.Fields = typeOf(m.Schema), fieldsOf(m.Schema)
			}
		}
		out.Answers = append(out.Answers, row)
	}
	slices.SortFunc(out.Answers, func(a, b view.APIAnswer) int { return compareText(a.Status, b.Status) })
	return out
}

// typeOf names a schema in a word or two.
func typeOf(s *openapi3.SchemaRef) string {
	if s == nil || s.Value == nil {
		return "any"
	}
	if s.Ref != "" {
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	}
	kind := "any"
	if s.Value.Type != nil && len(*s.Value.Type) > 0 {
		kind = (*s.Value.Type)[0]
	}
	if kind == "array" {
		return "list of " + typeOf(s.Value.Items)
	}
	if len(s.Value.Enum) > 0 && len(s.Value.Enum) < 12 {
		var words []string
		for _, e := range s.Value.Enum {
			if text, ok := e.(string); ok && text != "" {
				words = append(words, text)
			}
		}
		return strings.Join(words, " | ")
	}
	return kind
}

// fieldsOf lists the members of an object, or of the elements of a list.
func fieldsOf(s *openapi3.SchemaRef) []view.APIField {
	if s == nil || s.Value == nil {
		return nil
	}
	if s.Value.Items != nil {
		return fieldsOf(s.Value.Items)
	}
	var list []view.APIField
	for _, part := range s.Value.AllOf {
		list = append(list, fieldsOf(part)...)
	}
	for name, p := range s.Value.Properties {
		f := view.APIField{Name: name, Type: typeOf(p), Required: slices.Contains(s.Value.Required, name)}
		if p.Value != nil {
			f.Text = p.Value.Description
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b view.APIField) int { return compareText(a.Name, b.Name) })
	return list
}
