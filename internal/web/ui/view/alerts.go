package view

import "time"

// AlertsNav is what the pages of alerts have in common: the tabs and the projects to choose from.
type AlertsNav struct {
	Base     string // address of the rules
	At       string // rules, history, destinations
	Projects []Choice
	Project  string // slug; empty: all
}

// AlertsPage lists the rules.
type AlertsPage struct {
	Nav  AlertsNav
	Rows []AlertsRow
}

// AlertsRow is one rule in a line.
type AlertsRow struct {
	SnoozedUntil *time.Time // nil: for ever, or not at all
	Name, Href   string
	Project      string
	Sentence     string
	Destinations []string
	State        Badge
	LastFired    *time.Time
	Week         int64 // firings in seven days
}

// RulePage is the editor of one rule.
type RulePage struct {
	Nav      AlertsNav
	Action   string
	ID       string // empty: a new rule
	Problem  string
	Sentence string

	Name        string
	Project     string // slug
	Enabled     bool
	Match       []Choice
	FilterMatch []Choice
	Conditions  []ClauseRow
	Filters     []ClauseRow
	Actions     []ActionRow
	Environment string
	Frequency   []Choice
	Owner       []Choice

	QuietFrom, QuietTo string
	QuietZone          string
	EscalateAfter      string
	EscalateTo         []Choice
	Snooze             []Choice // how long; the first is not at all
	SnoozedUntil       string

	Preview *RulePreview
	Fired   []FiredRow // what it fired about lately
}

// ClauseRow is one condition or filter.
type ClauseRow struct {
	Prefix   string // of the names of its fields
	Number   int
	Kinds    []Choice
	Value    string
	Key      string
	Match    []Choice
	Interval []Choice
	Compare  bool
	Shift    []Choice
	Uses     string // the fields that count, for the script that hides the others
}

// ActionRow is one action.
type ActionRow struct {
	Number   int
	To       []Choice
	Notes    string
	Tags     string
	Severity []Choice
}

// RulePreview says when a rule would have fired.
type RulePreview struct {
	Sentence string
	Rows     []FiredRow
}

// FiredRow is a firing.
type FiredRow struct {
	At     time.Time
	Issue  string
	Href   string
	Title  string
	Change string
	Count  int64
}

// HistoryPage is the delivery log.
type HistoryPage struct {
	Nav        AlertsNav
	Action     string
	Deliveries []Delivery
	States     []Link
	About      string // what it is restricted to, in words
	Next       string // older entries
}

// Delivery is one message on its way.
type Delivery struct {
	ID        string
	Project   string
	Href      string
	State     Badge
	Kind      string
	What      string
	Rule      string
	RuleHref  string
	IssueHref string
	Target    string
	Channel   string
	Reason    string
	Digest    string // address of the digest that tells of it, or of what it tells
	Attempts  int
	CreatedAt time.Time
	NextAt    *time.Time
	Took      string // from queued to sent
	CanRetry  bool
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number   int
	At       time.Time
	Took     string
	Status   string
	Error    string
	Response string
}

// DeliveryPage is one delivery with its tries.
type DeliveryPage struct {
	Nav          AlertsNav
	Action       string
	Delivery     Delivery
	Attempts     []Attempt
	Message      string // what was sent
	Acknowledged []string
	CanAck       bool
}

// DestinationsPage lists the destinations.
type DestinationsPage struct {
	Nav    AlertsNav
	Rows   []DestinationRow
	Kinds  []Link // channels to make one of
	Action string
}

// DestinationRow is one destination.
type DestinationRow struct {
	ID, Name, Href string
	Channel        string
	Target         string
	State          Badge
	Trouble        string
	LastSent       *time.Time
	LastFailed     *time.Time
	Paused         bool
	HistoryHref    string
}

// DestinationPage is the editor of a destination.
type DestinationPage struct {
	Nav      AlertsNav
	Action   string
	ID       string
	Channel  string
	Label    string
	About    string
	Problem  string
	Name     string
	Target   string
	Fields   []SettingField
	Budget   string
	Min, Max string // minutes
	Paused   bool
	Secret   string // shown once
	Sample   string // what a message looks like
	Endpoint string // where buttons post to
	Trouble  string
	Verify   string // how a signature is checked
}

// SettingField is one setting.
type SettingField struct {
	Name, Label, Help string
	Type              string // text, url, password, select
	Value             string
	Choices           []Choice
	Stored            bool // there is a value that is not shown
	Required          bool
}

// AccountPage is the reader's own settings.
type AccountPage struct {
	Name, Email string
	Themes      []Choice
	Densities   []Choice
	Zone        string
	Problem     string
	Password    string // what is wrong with a new password
	Saved       bool
	KeysOff     bool
}

// NotificationsPage is what the reader wants to hear of by mail.
type NotificationsPage struct {
	Action string
	Topics []TopicColumn
	Rows   []TopicRow
}

// TopicColumn is one topic.
type TopicColumn struct{ Topic, Label, About string }

// TopicRow is a project, or all of them.
type TopicRow struct {
	ID      string
	Name    string
	Choices [][]Choice // one list for each topic
}

// UnsubscribePage ends mail about one topic.
type UnsubscribePage struct {
	Action string
	Token  string
	What   string
	Done   bool
}
