package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// standardPrefix marks a secret whose key is the base64 text after it.
const standardPrefix = "whsec_"

// sign sets the headers that prove to a receiver who sent body, when, and as which message. id is
// the same for every try, so that a receiver can tell repetitions.
// Rule: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
// Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func sign(h http.Header, s delivery.Settings, id string, body []byte, now time.Time) error {
	seconds := strconv.FormatInt(now.Unix(), 10)
	h.Set("Sentry-Hook-Timestamp", seconds)
	h.Set("Sentry-Hook-Signature", hex.EncodeToString(mac([]byte(s["secret"]), body)))
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", seconds)
	var signatures []string
	for _, secret := range []seal.Secret{seal.Secret(s["secret"]), seal.Secret(s["old_secret"])} {
		if secret == "" {
			continue
		}
		key, err := signingKey(secret)
		if err != nil {
			return err
		}
		sum := mac(key, []byte(id+"."+seconds+"."), body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(sum))
	}
	h.Set("Webhook-Signature", strings.Join(signatures, " "))
	return nil
}

// signingKey is the key of the Standard Webhooks signature: the decoded rest of a secret that
// begins with whsec_, the bytes of any other.
func signingKey(s seal.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(s.Reveal(), standardPrefix)
	if !ok {
		return []byte(s.Reveal()), nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) == 0 {
		return nil, fault.New(fault.Invalid, "a webhook's secret that begins with %s goes on in base64", standardPrefix)
	}
	return key, nil
}

func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
