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
