package delivery

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// FieldKind is how a setting is typed and shown.
type FieldKind string

// The kinds of field. Secrets and addresses are written and never shown again.
const (
	FieldText   FieldKind = "text"
	FieldURL    FieldKind = "url"
	FieldSecret FieldKind = "secret"
	FieldChoice FieldKind = "choice"
)

// Field is one setting of a channel.
type Field struct {
	Name     string
	Label    string
	Help     string
	Kind     FieldKind
	Required bool
	Choices  []string
}

// Settings are the values of a channel's fields, by name.
type Settings map[string]string

// Spec describes a channel.
type Spec struct {
	Name   string // alert.Channel…
	Label  string
	About  string // one sentence
	Fields []Field
	// Check refuses what cannot be right, and returns what may be shown of the destination.
	Check func(Settings) (target string, err error)
	// Secret, when it is not empty, names a field that is made when it is missing.
	Secret string
	// Resolves says that the channel wants to hear that an issue is resolved.
	Resolves bool
}

// Channel is one way to reach people. Render makes the bytes of a message once; Send hands them
// over, once a try. Texts of an Answer hold no secrets of the settings.
type Channel interface {
	Render(n *alert.Notice, s Settings) ([]byte, error)
	Send(ctx context.Context, j *alert.Job, s Settings) alert.Answer
}

const maxSettingBytes = 4096

// Read takes the values of the channel's fields from what somebody typed; unknown ones are refused.
// Fields that are missing keep what before says.
func (sp *Spec) Read(typed, before Settings) (s Settings, target string, err error) {
	s = Settings{}
	for name, v := range typed {
		if sp.field(name) == nil {
			return nil, "", fault.New(fault.Invalid, "%s has no setting %.40q", sp.Label, name)
		}
		if len(v) > maxSettingBytes {
			return nil, "", fault.New(fault.Invalid, "the setting %s has at most %d bytes", name, maxSettingBytes)
		}
	}
	for _, f := range sp.Fields {
		v, given := typed[f.Name]
		if v = strings.TrimSpace(v); !given || v == "" && before[f.Name] != "" && f.Kind != FieldText && f.Kind != FieldChoice {
			v = before[f.Name]
		}
		if v == "" && f.Required {
			return nil, "", fault.New(fault.Invalid, "%s needs %s", sp.Label, strings.ToLower(f.Label[:1])+f.Label[1:])
		}
		if v != "" {
			s[f.Name] = v
		}
		if f.Kind == FieldURL && v != "" {
			if _, err := outbound.ParseURL(v); err != nil {
				return nil, "", err
			}
		}
		if f.Kind == FieldChoice && v != "" && !contains(f.Choices, v) {
			return nil, "", fault.New(fault.Invalid, "%s is one of %s", f.Label, strings.Join(f.Choices, ", "))
		}
	}
	target, err = sp.Check(s)
	return s, target, err
}

func (sp *Spec) field(name string) *Field {
	for i := range sp.Fields {
		if sp.Fields[i].Name == name {
			return &sp.Fields[i]
		}
	}
	return nil
}

func contains(list []string, v string) bool {
	for _, s := range list {
		if s == v {
			return true
		}
	}
	return false
}

// Seal encrypts settings for one organization.
func Seal(organization int64, s Settings, key *seal.Key) (string, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "encode the settings of a destination")
	}
	return key.Seal(plain, use(organization)), nil
}

// Open decrypts what Seal returned for the same organization. fault.Invalid: it was sealed with
// another key, or for another organization.
func Open(organization int64, sealed string, key *seal.Key) (Settings, error) {
	plain, err := key.Open(sealed, use(organization))
	if err != nil {
		return nil, err
	}
	var s Settings
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, fault.New(fault.Invalid, "the sealed settings cannot be read")
	}
	return s, nil
}

// use names what settings are sealed for, so that a copy in another organization does not open.
func use(organization int64) string {
	return "destination settings of organization " + strconv.FormatInt(organization, 10)
}

// Shown is what may be shown of an address: no path and no query, which often carry a token.
func Shown(address string) (string, error) {
	u, err := outbound.ParseURL(address)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

// Interactive reports whether messages of the channel with these settings carry buttons that work.
func Interactive(channel string, s Settings) bool {
	return channel == alert.ChannelSlack && s["token"] != "" && s["signing_secret"] != ""
}
