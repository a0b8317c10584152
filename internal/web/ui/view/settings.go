package view

import "time"

// SettingsTab is one page of an organization's settings.
type SettingsTab struct{ ID, Label, Path string }

// OrgTabs are the pages of an organization's settings, in order; each is below /o/{org}/settings.
var OrgTabs = []SettingsTab{
	{"general", "General", ""}, {"members", "Members", "/members"}, {"teams", "Teams", "/teams"}, {"tokens", "Tokens", "/tokens"},
	{"sso", "Single sign-on", "/sso"}, {"jobs", "Jobs", "/jobs"}, {"audit", "Audit log", "/audit"},
}

// AccountTabs are the pages about the reader, each below /account.
var AccountTabs = []SettingsTab{
	{"look", "Appearance", ""}, {"security", "Security", "/security"}, {"notifications", "Notifications", "/notifications"}, {"sessions", "Sessions", "/sessions"}, {"tokens", "Tokens", "/tokens"},
}

// Flash is what a form says back: a problem, or a secret that is told once.
type Flash struct {
	Problem string
	Secret  string // told now and never again
	What    string // what the secret is
}

// GeneralPage is an organization's general settings.
type GeneralPage struct {
	Flash
	Name, Slug   string
	Open         bool
	SecondFactor bool
	Roles        []Choice
	MayWrite     bool
}

// MembersPage lists who is in an organization, and who is invited.
type MembersPage struct {
	Flash
	Members   []Member
	Roles     []Choice // that the reader may give
	Teams     []Choice
	Email     string // typed before
	MayInvite bool
	MayManage bool
	Mails     bool // invites are mailed
	Query     string
	Count     int
}

// Member is one row of MembersPage.
type Member struct {
	ID        string
	Name      string
	Email     string
	Role      string
	Roles     []Choice // that the reader may give; none: the role is fixed for them
	Teams     []string
	Pending   bool
	Expired   bool
	Off       bool
	Factor    bool
	SSO       bool
	Managed   bool // by an identity provider
	Self      bool
	Manage    bool // the reader may change and remove them
	Since     time.Time
	LastLogin time.Time
	ExpiresAt time.Time
	InvitedBy string
}

// TeamsPage lists an organization's teams.
type TeamsPage struct {
	Flash
	Teams   []TeamCard
	MayMake bool
	Open    bool // members see every project
}

// TeamCard is one row of TeamsPage.
type TeamCard struct {
	Name, Slug string
	Href       string
	Members    int
	Projects   int
	Mine       bool
}

// TeamPage is one team.
type TeamPage struct {
	Flash
	Name, Slug  string
	Members     []TeamMember
	Others      []Choice // members who could join
	Projects    []Link
	Free        []Choice // projects that could be added
	MayWrite    bool
	Mine        bool
	MayJoin     bool
	MayDelete   bool
	Provisioned bool
}

// TeamMember is one row of TeamPage.
type TeamMember struct {
	ID, Name, Email string
	Admin           bool
}

// TokensPage lists tokens, of an organization or of the reader.
type TokensPage struct {
	Flash
	Action   string
	Mine     bool
	Tokens   []Token
	Scopes   []Choice // that the reader may give
	Projects []Choice
	Orgs     []Choice
	Name     string // typed before
	MayWrite bool
}

// Token is one row of TokensPage.
type Token struct {
	ID       string
	Name     string
	Kind     string
	Last     string // its last characters
	Scopes   []string
	Projects []string
	Org      string
	Creator  string
	Made     time.Time
	Used     time.Time
	Expires  time.Time
	Expired  bool
}

// SSOPage is an organization's single sign-on.
type SSOPage struct {
	Flash
	Active                    bool
	Issuer, ClientID, Domains string
	Required                  bool
	Roles                     []Choice
	Callback, Start, SCIM     string
	Slug                      string
	MayWrite                  bool
}

// AuditPage is a page of an audit log.
type AuditPage struct {
	Rows       []AuditRow
	Event      string
	Events     []Choice
	Query      string
	Next       string
	Newest     string
	JSONL, CSV string
	Check      string // leads to a page that checks the whole chain
	Checked    bool
	Entries    int64
	BrokenAt   int64 // 0: the chain is whole
}

// AuditRow is one line of an audit log.
type AuditRow struct {
	Seq     int64
	At      time.Time
	Actor   string
	Token   bool
	Address string
	Event   string
	Target  string
	Note    string
	Details []Detail
	Hash    string
}

// Detail is a name with its value.
type Detail struct{ Name, Value string }

// SessionsPage lists the browsers the reader is signed in with.
type SessionsPage struct {
	Flash
	Sessions []Session
}

// Session is one row of SessionsPage.
type Session struct {
	ID      string
	Agent   string
	Address string
	Method  string
	Current bool
	Since   time.Time
	Seen    time.Time
}

// SecurityPage is the reader's second factor and passkeys.
type SecurityPage struct {
	Flash
	TOTP       bool
	Setup      bool // a new secret waits for its first code
	Secret     string
	URI        string
	QR         [][]bool
	Codes      []string // recovery codes, told once
	CodesLeft  int
	Passkeys   []Passkey
	HasPass    bool
	Restricted bool // signed in by an organization's provider, which cannot change the account
}

// Passkey is one row of SecurityPage.
type Passkey struct {
	ID   string
	Name string
	Made time.Time
	Used time.Time
}

// InvitePage is what the holder of an invite's link sees.
type InvitePage struct {
	Token, Org, Email, Role string
	Problem                 string
	Exists                  bool   // there is an account with the address
	Reader                  string // who is signed in
	Match                   bool   // and has the address
	Name                    string
}

// ResetPage lets somebody choose a new password.
type ResetPage struct{ Token, Email, Problem string }

// ForgotPage asks for an address.
type ForgotPage struct {
	Problem string
	Sent    bool
	Mails   bool
}

// SecondPage asks for a second factor.
type SecondPage struct {
	Next    string
	Problem string
	TOTP    bool
	Passkey bool
}
