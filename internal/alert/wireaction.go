package alert

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// wireChannels are Sentry's integration actions, by id, with the channel and the members that may
// name one of our destinations.
var wireChannels = map[string]struct {
	channel string
	names   []string
}{
	"sentry.integrations.slack.notify_action.SlackNotifyServiceAction":         {ChannelSlack, []string{"workspace", "channel", "channel_id"}},
	"sentry.integrations.msteams.notify_action.MsTeamsNotifyServiceAction":     {ChannelTeams, []string{"team", "channel", "channel_id"}},
	"sentry.integrations.discord.notify_action.DiscordNotifyServiceAction":     {ChannelDiscord, []string{"server", "channel_id"}},
	"sentry.integrations.pagerduty.notify_action.PagerDutyNotifyServiceAction": {ChannelPagerDuty, []string{"service", "account"}},
	"sentry.integrations.opsgenie.notify_action.OpsgenieNotifyTeamAction":      {ChannelOpsgenie, []string{"team", "account"}},
	"sentry.rules.actions.notify_event_service.NotifyEventServiceAction":       {"", []string{"service"}},
	"sentry.rules.actions.notify_event_sentry_app.NotifyEventSentryAppAction":  {ChannelWebhook, []string{"sentryAppInstallationUuid"}},
}

const (
	wireMail    = "sentry.mail.actions.NotifyEmailAction"
	wirePlugins = "sentry.rules.actions.notify_event.NotifyEventAction"
	wireService = "sentry.rules.actions.notify_event_service.NotifyEventServiceAction"
	wireTickets = "CreateTicketAction"
)

// ParseWireAction reads one action of Sentry's API. Integrations are our destinations: their ids or
// names stand where Sentry's have those of an integration or channel; where only one destination of
// the kind exists, it is meant. fault.Invalid says what is missing.
func ParseWireAction(raw json.RawMessage, destinations []Destination) ([]Action, error) {
	var in map[string]any
	if len(raw) > maxRawBytes || json.Unmarshal(raw, &in) != nil {
		return nil, fault.New(fault.Invalid, "An action is a JSON object with an id.")
	}
	if uuid, _ := in["uuid"].(string); uuid == "" {
		in["uuid"] = newUUID()
	}
	kept, err := json.Marshal(in)
	if err != nil {
		return nil, fault.New(fault.Invalid, "The action cannot be read.")
	}
	a := Action{Kind: ActionDestination, Raw: kept}
	a.Tags, a.Notes = wireTags(in["tags"]), textOf(in["notes"])
	a.Severity = textOf(in["severity"])
	if a.Severity == "default" {
		a.Severity = ""
	}
	if p := textOf(in["priority"]); strings.HasPrefix(p, "P") {
		a.Severity = p
	}
	id, _ := in["id"].(string)
	switch w, known := wireChannels[id]; {
	case id == wireMail:
		return a.mail(in)
	case id == wirePlugins:
		return a.each(destinations, ChannelWebhook)
	case strings.Contains(id, wireTickets):
		return nil, fault.New(fault.Invalid, "Actions that create tickets are not supported: %.120s", id)
	case !known:
		return nil, fault.New(fault.Invalid, "Invalid id: %.120q is not a known action.", id)
	default:
		for _, name := range w.names {
			if d := find(destinations, w.channel, textOf(in[name])); d != nil {
				a.Destination = d.ID
				return []Action{a}, nil
			}
		}
		channel := w.channel
		if service := textOf(in["service"]); channel == "" && strings.TrimSuffix(service, "s") == ChannelWebhook {
			return a.each(destinations, ChannelWebhook)
		} else if channel == "" {
			channel = service
		}
		return a.only(destinations, channel)
	}
}

// mail reads an action that writes to people.
func (a Action) mail(in map[string]any) ([]Action, error) {
	target := textOf(in["targetType"])
	n, err := strconv.ParseInt(textOf(in["targetIdentifier"]), 10, 64)
	switch target {
	case "IssueOwners":
		a.Kind, a.Fallthrough = ActionOwners, Fallthrough(textOf(in["fallthroughType"]))
		if a.Fallthrough == "" {
			a.Fallthrough = FallActive
		}
		return []Action{a}, nil
	case "Team", "Member":
		if err != nil || n <= 0 {
			return nil, fault.New(fault.Invalid, "targetIdentifier: it is the id of a %s.", strings.ToLower(target))
		}
		a.Kind, a.Target = map[string]ActionKind{"Team": ActionTeam, "Member": ActionMember}[target], n
		return []Action{a}, nil
	}
	return nil, fault.New(fault.Invalid, "targetType: it is IssueOwners, Team or Member.")
}

// each is the action for every destination of a channel.
func (a Action) each(destinations []Destination, channel string) ([]Action, error) {
	var list []Action
	for _, d := range destinations {
		if d.Channel == channel {
			b := a
			b.Destination = d.ID
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Invalid, "There is no destination of the channel %q: make one first.", channel)
	}
	return list, nil
}

// only is the action for the one destination of a channel.
func (a Action) only(destinations []Destination, channel string) ([]Action, error) {
	list, err := a.each(destinations, channel)
	if err == nil && len(list) > 1 {
		err = fault.New(fault.Invalid, "There are several destinations of the channel %q: name one by its id or name.", channel)
	}
	return list, err
}

// find returns the destination that a member of an action names: by id, name or what is shown of it.
func find(destinations []Destination, channel, name string) *Destination {
	if name == "" {
		return nil
	}
	i := slices.IndexFunc(destinations, func(d Destination) bool {
		return (channel == "" || d.Channel == channel) && (itoa(d.ID) == name || strings.EqualFold(d.Name, name) ||
			strings.EqualFold(strings.TrimPrefix(d.Target, "#"), strings.TrimPrefix(name, "#")))
	})
	if i < 0 {
		return nil
	}
	return &destinations[i]
}

func textOf(v any) string {
	text, _ := wireText(v)
	return text
}

func wireTags(v any) []string {
	var tags []string
	for part := range strings.SplitSeq(textOf(v), ",") {
		if part = strings.TrimSpace(part); part != "" && len(tags) < maxTags {
			tags = append(tags, part)
		}
	}
	return tags
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// Wire is the action in Sentry's form: as it was sent, or made from what it holds.
func (a *Action) Wire() json.RawMessage {
	if len(a.Raw) > 0 {
		return a.Raw
	}
	out := map[string]any{}
	switch a.Kind {
	case ActionDestination:
		out["id"], out["service"] = wireService, itoa(a.Destination)
	case ActionOwners:
		out["id"], out["targetType"], out["targetIdentifier"], out["fallthroughType"] = wireMail, "IssueOwners", "", string(a.Fallthrough)
		if a.Fallthrough == "" {
			out["fallthroughType"] = string(FallActive)
		}
	default:
		out["id"], out["targetType"], out["targetIdentifier"] = wireMail, map[ActionKind]string{ActionTeam: "Team", ActionMember: "Member"}[a.Kind], itoa(a.Target)
	}
	if len(a.Tags) > 0 {
		out["tags"] = strings.Join(a.Tags, ",")
	}
	if a.Notes != "" {
		out["notes"] = a.Notes
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return json.RawMessage(`{}`) // texts only
	}
	return raw
}

// Entry is one thing that the editor of a client can offer.
type Entry struct {
	ID         string               `json:"id"`
	Label      string               `json:"label"`
	Enabled    bool                 `json:"enabled"`
	FormFields map[string]FormField `json:"formFields,omitempty"`
	ActionType string               `json:"actionType,omitempty"`
}

// FormField is one value of an entry.
type FormField struct {
	Type    string      `json:"type"` // number, string, choice
	Choices [][2]string `json:"choices,omitempty"`
}

// Catalogue lists the conditions or filters in the form of rules/configuration/.
func Catalogue(filters bool) []Entry {
	var list []Entry
	for _, k := range Kinds(!filters) {
		e := Entry{ID: wireOurs + string(k), Label: string(k), Enabled: true}
		fields := ourFields
		if w := wireOf(k, filters); w != nil {
			e.ID, fields = w.wireID(), w.fields
		} else if plainSentences[k] != "" {
			fields = nil
		}
		sample := Clause{Kind: k}
		for _, f := range fields {
			*f.get(&sample) = "{" + f.name + "}"
			field := FormField{Type: "string"}
			if f.number {
				field.Type = "number"
			}
			if e.FormFields == nil {
				e.FormFields = map[string]FormField{}
			}
			e.FormFields[f.name] = field
		}
		if s := sample.Sentence(); s != "" {
			e.Label = strings.ToUpper(s[:1]) + s[1:]
		}
		list = append(list, e)
	}
	return list
}

// ActionCatalogue lists the actions in the form of rules/configuration/.
func ActionCatalogue(destinations []Destination) []Entry {
	var choices [][2]string
	for _, d := range destinations {
		choices = append(choices, [2]string{itoa(d.ID), d.Name})
	}
	return []Entry{
		{ID: wireMail, Label: "Send a notification to {targetType}", Enabled: true, FormFields: map[string]FormField{"targetType": {Type: "choice",
			Choices: [][2]string{{"IssueOwners", "Issue owners"}, {"Team", "Team"}, {"Member", "Member"}}}}},
		{ID: wireService, Label: "Send a notification via {service}", Enabled: len(choices) > 0, FormFields: map[string]FormField{"service": {Type: "choice", Choices: choices}}},
		{ID: wirePlugins, Label: "Send a notification to all webhooks", Enabled: len(choices) > 0},
	}
}
