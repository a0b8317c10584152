package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// maxAge is how old a request of Slack's may be.
const maxAge = 5 * time.Minute

// Verify reports, as fault.Denied, that a request does not come from Slack, or is a repetition.
// Rule: https://docs.slack.dev/authentication/verifying-requests-from-slack
func Verify(secret, timestamp, signature string, body []byte, now time.Time) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || secret == "" || now.Sub(time.Unix(seconds, 0)).Abs() > maxAge {
		return fault.New(fault.Denied, "The request is too old, or not Slack's.")
	}
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("v0:" + timestamp + ":"))
	m.Write(body)
	if !hmac.Equal([]byte("v0="+hex.EncodeToString(m.Sum(nil))), []byte(signature)) {
		return fault.New(fault.Denied, "The signature is wrong.")
	}
	return nil
}

// Press is one button of a message that somebody pressed.
type Press struct {
	Action      string // resolve, archive, acknowledge, assign
	Value       string // of assign: "user:7"
	Issue       int64
	Project     int64
	Who         string // name in the chat
	ResponseURL string // where the answer goes
}

// ParsePress reads the body of a request to the interactivity address. fault.Invalid: it is something
// else. ok is false for requests that need no answer.
// Rule: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
func ParsePress(body []byte) (p Press, ok bool, err error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return p, false, fault.New(fault.Invalid, "The request is not a form.")
	}
	var in struct {
		Type        string `json:"type"`
		ResponseURL string `json:"response_url"`
		User        struct {
			Username string `json:"username"`
			Name     string `json:"name"`
		} `json:"user"`
		Actions []struct {
			ActionID       string `json:"action_id"`
			BlockID        string `json:"block_id"`
			SelectedOption struct {
				Value string `json:"value"`
			} `json:"selected_option"`
		} `json:"actions"`
	}
	if err := json.Unmarshal([]byte(form.Get("payload")), &in); err != nil {
		return p, false, fault.New(fault.Invalid, "The payload cannot be read.")
	}
	if in.Type != "block_actions" || len(in.Actions) == 0 {
		return p, false, nil
	}
	var block struct{ Issue, Project int64 }
	a := in.Actions[0]
	if err := json.Unmarshal([]byte(a.BlockID), &block); err != nil || block.Issue == 0 {
		return p, false, fault.New(fault.Invalid, "The button names no issue.")
	}
	p = Press{Action: a.ActionID, Value: a.SelectedOption.Value, Issue: block.Issue, Project: block.Project, ResponseURL: in.ResponseURL, Who: in.User.Name}
	if p.Who == "" {
		p.Who = in.User.Username
	}
	return p, true, nil
}
