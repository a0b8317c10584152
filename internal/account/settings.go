package account

import "maps"

// Settings are what a user chose about the pages. The zero value is what everybody starts with.
type Settings struct {
	Theme   string                  `json:"theme,omitempty"`
	Density string                  `json:"density,omitempty"`
	Zone    string                  `json:"zone,omitempty"` // IANA name; empty is UTC
	Rail    string                  `json:"rail,omitempty"`
	KeysOff bool                    `json:"keys_off,omitempty"` // single keys do nothing
	PerPage int                     `json:"per_page,omitempty"` // issues on a page of the list; 0: 50
	Sort    string                  `json:"sort,omitempty"`     // of issue lists that name none
	Orgs    map[int64]OrgPreference `json:"orgs,omitempty"`     // by organization
}

// OrgPreference is what a user chose for one organization.
type OrgPreference struct {
	Filters string  `json:"filters,omitempty"` // of the frame, as a query string
	View    string  `json:"view,omitempty"`    // of the issue list that opens first
	Starred []int64 `json:"starred,omitempty"` // projects that come first
}

// Org is what was chosen for an organization.
func (s *Settings) Org(id int64) OrgPreference { return s.Orgs[id] }

// SetOrg changes what was chosen for an organization.
func (s *Settings) SetOrg(id int64, change func(*OrgPreference)) {
	p := s.Orgs[id]
	change(&p)
	orgs := make(map[int64]OrgPreference, len(s.Orgs)+1) // copies of s may be read meanwhile
	maps.Copy(orgs, s.Orgs)
	orgs[id] = p
	s.Orgs = orgs
}
