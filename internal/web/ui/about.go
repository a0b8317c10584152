package ui

import (
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// members are who issues can be given to.
type members []postgres.Person

// name is what the assignee of an issue is called.
func (m members) name(assignee string) string {
	if assignee == "" {
		return ""
	}
	for _, p := range m {
		if assigneeOf(p) == assignee {
			return personName(p)
		}
	}
	return strings.ReplaceAll(assignee, ":", " ")
}

func assigneeOf(p postgres.Person) string { return "user:" + strconv.FormatInt(p.ID, 10) }

func (m members) choices() (list []view.Choice) {
	for _, p := range m {
		list = append(list, view.Choice{Value: assigneeOf(p), Label: personName(p)})
	}
	return list
}

// aboutRows reads who can have the issues of a list, and which of them the reader marked.
func (u *UI) aboutRows(v *visit, rows []postgres.IssueRow) (members, map[int64]bool, error) {
	if len(rows) == 0 {
		return nil, nil, nil
	}
	people, err := u.Store.Members(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return nil, nil, err
	}
	projects, ids := make([]int64, len(rows)), make([]int64, len(rows))
	for i := range rows {
		projects[i], ids[i] = rows[i].Project, rows[i].ID
	}
	marked, err := u.Store.Bookmarked(v.r.Context(), projects, ids, v.principal.UserID())
	return people, marked, err
}
