package ownership

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// AutoAssignment says what a new issue is assigned by.
type AutoAssignment string

// The ways.
const (
	AssignOwner   AutoAssignment = "owner"   // the first owner of the rule that matches
	AssignSuspect AutoAssignment = "suspect" // the member who wrote the suspect commit
	AssignNobody  AutoAssignment = "off"
)

// wireWords are what the API calls them.
// Rule: getsentry/sentry src/sentry/api/serializers/models/projectownership.py
var wireWords = map[AutoAssignment]string{
	AssignOwner: "Auto Assign to Issue Owner", AssignSuspect: "Auto Assign to Suspect Commits", AssignNobody: "Turn off Auto-Assignment",
}

// Wire is the API's word.
func (a AutoAssignment) Wire() string { return wireWords[a] }

// ParseAutoAssignment reads the API's word.
func ParseAutoAssignment(word string) (AutoAssignment, error) {
	for a, w := range wireWords {
		if w == word {
			return a, nil
		}
	}
	return "", fault.New(fault.Invalid, "Invalid selection: allowed are %s, %s and %s.", wireWords[AssignOwner], wireWords[AssignSuspect], wireWords[AssignNobody])
}

// Settings are a project's rules as they are stored.
type Settings struct {
	Raw            string
	CodeOwners     string
	Actors         map[string]string // "user:7" or "team:3" by the owners that rules name
	Fallthrough    bool              // everybody is told of issues without an owner
	AutoAssignment AutoAssignment
	CreatedAt      time.Time
	UpdatedAt      time.Time // zero: nothing is stored
}

// Owner decides by the rules of both texts who owns what the facts are about: the written rules
// first. actors are "user:7" or "team:3", in the order of the rule.
func (s *Settings) Owner(raw, codeOwners Rules, f Facts) (actors []string, integration, rule string) {
	for _, of := range [...]struct {
		rules       Rules
		integration string
	}{{raw, "projectOwnership"}, {codeOwners, "codeowners"}} {
		r := of.rules.Match(f)
		if r == nil {
			continue
		}
		for _, name := range r.Owners {
			if actor := s.Actors[name]; actor != "" {
				actors = append(actors, actor)
			}
		}
		if len(actors) > 0 {
			return actors, of.integration, r.Text()
		}
	}
	return nil, "", ""
}
