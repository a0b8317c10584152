package ui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// suggested is one way to go on with the word that is being typed.
type suggested struct {
	Text  string `json:"text"` // what stands in place of the word
	Hint  string `json:"hint,omitempty"`
	Count int64  `json:"count,omitempty"`
	More  bool   `json:"more,omitempty"` // a value follows
}

// mostSuggested is how many are answered.
const mostSuggested = 10

// suggest answers how the word before the caret may go on: a key of the language or a tag, or, after
// a colon, a value of that key with how often it was seen lately.
func (u *UI) suggest(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	word := strings.TrimLeft(v.r.URL.Query().Get("word"), "!( ")
	if len(word) > 300 {
		word = word[:300]
	}
	projects := make([]int64, 0, len(v.filters.all))
	for _, p := range v.filters.Shown() {
		projects = append(projects, p.ID)
	}
	key, part, isValue := strings.Cut(word, ":")
	var list []suggested
	var err error
	if isValue {
		list, err = u.suggestValues(v, projects, key, part)
	} else {
		list, err = u.suggestKeys(v, projects, key)
	}
	if err != nil {
		return err
	}
	return httpx.JSON(v.w, http.StatusOK, list[:min(len(list), mostSuggested)])
}

func (u *UI) suggestKeys(v *visit, projects []int64, part string) ([]suggested, error) {
	list := []suggested{}
	for _, o := range []suggested{{Text: "OR", Hint: "either side; binds after AND"}, {Text: "AND", Hint: "both sides, as a space does"}} {
		if part != "" && strings.HasPrefix(o.Text, strings.ToUpper(part)) {
			list = append(list, o)
		}
	}
	for _, k := range search.Keys() {
		if strings.HasPrefix(strings.ToLower(k.Name), strings.ToLower(part)) {
			list = append(list, suggested{Text: k.Name + ":", Hint: k.About, More: true})
		}
	}
	tags, err := u.Store.SuggestKeys(v.r.Context(), projects, part)
	for _, t := range tags {
		if !slices.ContainsFunc(list, func(s suggested) bool { return s.Text == t.Value+":" }) {
			list = append(list, suggested{Text: t.Value + ":", Hint: "tag", More: true})
		}
	}
	return list, err
}

func (u *UI) suggestValues(v *visit, projects []int64, key, part string) ([]suggested, error) {
	part = strings.Trim(part, `"[ `)
	list := []suggested{}
	add := func(value, hint string, count int64) {
		if hint == "" && count == 0 && !containsFold(value, part) && part != "" {
			return
		}
		list = append(list, suggested{Text: key + ":" + search.Quote(value), Hint: hint, Count: count})
	}
	for _, word := range search.Words(key) {
		add(word, "", 0)
	}
	switch key {
	case "assigned", "assigned_to", "owner", "bookmarks", "subscribed":
		add("me", "", 0)
		add("none", "", 0)
		people, err := u.Store.Members(v.r.Context(), v.principal.Organization.ID)
		for _, p := range people {
			add(p.Email, "", 0)
		}
		return list, err
	case "project":
		for _, p := range v.filters.all {
			add(p.Slug, "", 0)
		}
		return list, nil
	case "environment":
		names, err := u.Store.EnvironmentNames(v.r.Context(), projects)
		for _, n := range names {
			if n != "" {
				add(n, "", 0)
			}
		}
		return list, err
	case "release", "firstRelease":
		add("latest", "", 0)
	}
	if len(list) > 0 && key != "release" && key != "firstRelease" {
		return list, nil
	}
	found, err := u.Store.SuggestValues(v.r.Context(), projects, key, part)
	for _, s := range found {
		if s.Count > 0 {
			add(s.Value, "seen", s.Count)
		} else { // it has not been counted yet
			add(s.Value, "", 0)
		}
	}
	return list, err
}
