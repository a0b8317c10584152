package alert

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// workflowChannels are the types of actions that name one of our destinations, by their channel; empty:
// of any channel.
var workflowChannels = map[string]string{
	"slack": ChannelSlack, "msteams": ChannelTeams, "discord": ChannelDiscord, "pagerduty": ChannelPagerDuty, "opsgenie": ChannelOpsgenie, "webhook": "", "sentry_app": ChannelWebhook,
}

// workflowTickets are the types of actions that make tickets elsewhere.
var workflowTickets = []string{"jira", "jira_server", "github", "github_enterprise", "vsts"}

// workflowConfig says whom an action tells.
type workflowConfig struct {
	TargetType       string `json:"targetType,omitempty"`
	TargetIdentifier any    `json:"targetIdentifier,omitempty"` // a text, or a number from older clients
	TargetDisplay    string `json:"targetDisplay,omitempty"`
	// SentryAppIdentifier says in what form TargetIdentifier names an application; here it names a
	// destination in any.
	SentryAppIdentifier string `json:"sentryAppIdentifier,omitempty"`
}

// workflowData is what an action adds to its messages.
type workflowData struct {
	FallthroughType string `json:"fallthroughType,omitempty"`
	Tags            string `json:"tags,omitempty"`
	Notes           string `json:"notes,omitempty"`
	Priority        string `json:"priority,omitempty"`
}

// read is the action as ours: several, when it tells every destination of a kind.
func (a *WorkflowAction) read(destinations []Destination) ([]Action, error) {
	if slices.Contains(workflowTickets, a.Type) {
		return nil, fault.New(fault.Invalid, "%s: actions that create tickets are not supported; tell a webhook.", a.Type)
	}
	var config workflowConfig
	var data workflowData
	for _, part := range []struct {
		name string
		text json.RawMessage
		into any
	}{{"config", a.Config, &config}, {"data", a.Data, &data}} {
		if len(part.text) > maxRawBytes || len(part.text) > 0 && strict(part.text, part.into) != nil {
			return nil, fault.New(fault.Invalid, "%.40s: %s: unknown or mistyped fields.", a.Type, part.name)
		}
	}
	target := textOf(config.TargetIdentifier)
	out := Action{Kind: ActionDestination, Tags: wireTags(data.Tags), Notes: data.Notes, Severity: data.Priority}
	if out.Severity == "default" { // by the event's level
		out.Severity = ""
	}
	if data.FallthroughType != "" && a.Type != "email" {
		return nil, fault.New(fault.Invalid, "%.40s: data: fallthroughType is of actions of the type email.", a.Type)
	}
	channel, known := workflowChannels[a.Type]
	switch {
	case a.Type == "email":
		return out.person(config.TargetType, target, data.FallthroughType)
	case a.Type == "plugin":
		return out.each(destinations, ChannelWebhook)
	case !known:
		return nil, fault.New(fault.Invalid, "%.60q is not a known type of action.", a.Type)
	}
	names := []string{target, config.TargetDisplay}
	if a.IntegrationID != nil {
		names = append(names, *a.IntegrationID)
	}
	for _, name := range names {
		if d := find(destinations, channel, name); d != nil {
			out.Destination = d.ID
			return []Action{out}, nil
		}
	}
	if channel == "" {
		if strings.TrimSuffix(target, "s") == ChannelWebhook {
			return out.each(destinations, ChannelWebhook)
		}
		return nil, fault.New(fault.Invalid, "There is no destination %.80q: make one first.", target)
	}
	return out.only(destinations, channel)
}

// person is an action that writes to people.
func (a Action) person(kind, target, fall string) ([]Action, error) {
	n, err := strconv.ParseInt(target, 10, 64)
	switch kind {
	case "issue_owners":
		if a.Kind, a.Fallthrough = ActionOwners, Fallthrough(fall); fall == "" {
			a.Fallthrough = FallActive
		}
		return []Action{a}, nil
	case "user", "team":
		if err != nil || n <= 0 {
			return nil, fault.New(fault.Invalid, "email: targetIdentifier: it is the id of a %s.", kind)
		}
		a.Kind, a.Target = map[string]ActionKind{"user": ActionMember, "team": ActionTeam}[kind], n
		return []Action{a}, nil
	}
	return nil, fault.New(fault.Invalid, "email: targetType: it is issue_owners, team or user.")
}

// workflow is the action as one of a workflow.
func (a *Action) workflow(destinations []Destination) WorkflowAction {
	data := workflowData{Tags: strings.Join(a.Tags, ","), Notes: a.Notes, Priority: a.Severity}
	config, out := workflowConfig{}, WorkflowAction{Type: "email"}
	switch a.Kind {
	case ActionOwners:
		if data.FallthroughType, config.TargetType = string(a.Fallthrough), "issue_owners"; a.Fallthrough == "" {
			data.FallthroughType = string(FallActive)
		}
	case ActionMember, ActionTeam:
		config.TargetType, config.TargetIdentifier = map[ActionKind]string{ActionMember: "user", ActionTeam: "team"}[a.Kind], itoa(a.Target)
	default:
		out.Type, config.TargetIdentifier = "webhook", itoa(a.Destination)
		if i := slices.IndexFunc(destinations, func(d Destination) bool { return d.ID == a.Destination }); i >= 0 {
			d := &destinations[i]
			config.TargetDisplay = d.Name
			for kind, channel := range workflowChannels {
				if channel == d.Channel && channel != ChannelWebhook {
					out.Type, out.IntegrationID, config.TargetType = kind, new(itoa(d.ID)), "specific"
				}
			}
		}
	}
	out.Config, out.Data = plainJSON(config), plainJSON(data)
	return out
}

// strict decodes a document whose members are all known.
func strict(text json.RawMessage, into any) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func plainJSON(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("{}") // texts only
	}
	return text
}
