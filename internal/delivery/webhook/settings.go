package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// Limits of a secret, in bytes.
const (
	minSecretBytes = 16
	maxSecretBytes = 256
)

// Settings says where a webhook posts to and how it proves who posts.
type Settings struct {
	URL    string
	Secret seal.Secret // signs every request
	// OldSecret signs too, beside Secret, while a receiver changes from one to the other; empty
	// when there is none.
	OldSecret seal.Secret
}

// document is what of Settings is sealed; Settings itself encodes no secret.
type document struct {
	URL       string `json:"url"`
	Secret    string `json:"secret"`
	OldSecret string `json:"old_secret,omitempty"`
}

// NewSecret makes a random secret in the form that Standard Webhooks prescribes.
// Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func NewSecret() seal.Secret {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails, by its contract
	return seal.Secret(standardPrefix + base64.StdEncoding.EncodeToString(raw[:]))
}

// NewAction checks s and returns the action that carries it, sealed for one project.
// fault.Invalid: the URL or a secret is not acceptable.
func NewAction(project int64, s Settings, key *seal.Key) (alert.Action, error) {
	u, err := outbound.ParseURL(s.URL)
	if err != nil {
		return alert.Action{}, err
	}
	if err := checkSecret(s.Secret); err != nil {
		return alert.Action{}, err
	}
	if s.OldSecret != "" {
		if err := checkSecret(s.OldSecret); err != nil {
			return alert.Action{}, err
		}
	}
	plain, err := json.Marshal(document{s.URL, s.Secret.Reveal(), s.OldSecret.Reveal()})
	if err != nil {
		return alert.Action{}, fault.Wrap(err, fault.Internal, "encode the settings of a webhook")
	}
	a := alert.Action{Channel: alert.ChannelWebhook, Target: target(u), Settings: key.Seal(plain, use(project))}
	return a, a.Validate()
}

// Open returns the settings of an action that NewAction made for the same project.
// fault.Invalid: they were sealed with another key, or for another project.
func Open(project int64, sealed string, key *seal.Key) (Settings, error) {
	plain, err := key.Open(sealed, use(project))
	if err != nil {
		return Settings{}, err
	}
	var d document
	if err := json.Unmarshal(plain, &d); err != nil {
		return Settings{}, fault.New(fault.Invalid, "the sealed settings are not a webhook's")
	}
	return Settings{d.URL, seal.Secret(d.Secret), seal.Secret(d.OldSecret)}, nil
}

// use names what settings are sealed for, so that a copy in another project does not open.
func use(project int64) string {
	return "webhook settings of project " + strconv.FormatInt(project, 10)
}

func checkSecret(s seal.Secret) error {
	if n := len(s.Reveal()); n < minSecretBytes || n > maxSecretBytes {
		return fault.New(fault.Invalid, "a webhook's secret has %d to %d bytes", minSecretBytes, maxSecretBytes)
	}
	_, err := signingKey(s)
	return err
}

// target is what may be shown of an address: no path and no query, which often carry a token.
func target(u *url.URL) string {
	return u.Scheme + "://" + strings.ToLower(u.Host)
}
