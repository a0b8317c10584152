package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// slack is a stand-in for Slack's API: it takes what a bot posts and answers as Slack does.
type slack struct {
	*httptest.Server
	mu     sync.Mutex
	posted []slackMessage
}

type slackMessage struct {
	Channel, Text string
	Thread        string `json:"thread_ts"`
	Attachments   []struct {
		Blocks []struct {
			Type     string
			BlockID  string `json:"block_id"`
			Elements []struct {
				ActionID string `json:"action_id"`
				Options  []struct{ Value string }
			}
		}
	}
}

func newSlack(t *testing.T, token string) *slack {
	t.Helper()
	s := &slack{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m slackMessage
		if r.URL.Path != "/api/chat.postMessage" || r.Header.Get("Authorization") != "Bearer "+token || json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&m) != nil {
			_, _ = io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posted = append(s.posted, m)
		fmt.Fprintf(w, `{"ok":true,"channel":"C1","ts":"1700000000.%06d"}`, len(s.posted))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *slack) messages() []slackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]slackMessage(nil), s.posted...)
}

// TestButtonsInSlackWork: an alert reaches a channel with buttons; what Slack posts when somebody
// presses one, signed with OpenSSL, changes the issue, and nothing unsigned or old does.
func TestButtonsInSlackWork(t *testing.T) {
	t.Parallel()
	const token, secret = "xoxb-1234567890", "8f742231b10e8888abcd99yyyzzz85a5"
	in := up(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8")
	chat := newSlack(t, token)
	call := func(method, path string, body, into any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		status, answer, err := fetch(t.Context(), method, in.URL+path, in.AuthToken, text, "Content-Type", "application/json")
		if err = errors.Join(err, json.Unmarshal(answer, into)); err != nil || status/100 != 2 {
			t.Fatalf("%s %s: %d %s %v", method, path, status, answer, err)
		}
	}
	var made struct{ ID string }
	call(http.MethodPost, "/api/v1/organizations/"+in.Organization+"/destinations/", map[string]any{"channel": "slack", "name": "Ops",
		"settings": map[string]string{"token": token, "channel": "#ops", "signing_secret": secret, "api": chat.URL}}, &made)
	call(http.MethodPut, "/api/v1/projects/"+in.Organization+"/"+in.Project+"/alert-rules/", map[string]any{"name": "to the channel", "enabled": true, "match": "any",
		"filterMatch": "all", "filters": []any{}, "conditions": []any{map[string]string{"kind": "new"}, map[string]string{"kind": "regressed"}},
		"actions": []any{map[string]string{"kind": "destination", "destination": made.ID}}}, &struct{}{})
	if status, err := in.send(t.Context(), eventID(1), plainEvent); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	row := in.wantOneIssue(t, 1)
	var block, member string
	in.await("the message in the channel", time.Minute, func(context.Context) error {
		list := chat.messages()
		if len(list) != 1 {
			return fmt.Errorf("%d messages", len(list))
		}
		for _, b := range list[0].Attachments[0].Blocks {
			if b.Type == "actions" {
				block = b.BlockID
				for _, e := range b.Elements {
					if e.ActionID == "assign" {
						member = e.Options[0].Value
					}
				}
			}
		}
		return nil
	})
	if block == "" || !strings.HasPrefix(member, "user:") {
		t.Fatalf("the message has no buttons: %+v", chat.messages())
	}
	address := in.URL + "/api/v1/slack/" + made.ID + "/"
	press := func(action, value, key string, age time.Duration) (int, string) {
		t.Helper()
		payload, err := json.Marshal(map[string]any{"type": "block_actions", "user": map[string]string{"id": "U1", "username": "ada"}, "response_url": "https://hooks.slack.com/actions/1",
			"actions": []any{map[string]any{"action_id": action, "block_id": block, "selected_option": map[string]string{"value": value}}}})
		if err != nil {
			t.Fatal(err)
		}
		body := url.Values{"payload": {string(payload)}}.Encode()
		at := strconv.FormatInt(time.Now().Add(-age).Unix(), 10)
		status, answer, err := fetch(t.Context(), http.MethodPost, address, "", []byte(body), "Content-Type", "application/x-www-form-urlencoded",
			"X-Slack-Request-Timestamp", at, "X-Slack-Signature", "v0="+openssl(t, key, "v0:"+at+":"+body))
		if err != nil {
			t.Fatal(err)
		}
		return status, string(answer)
	}
	for name, c := range map[string]struct {
		key string
		age time.Duration
	}{"another secret": {"another secret", 0}, "an old request": {secret, 6 * time.Minute}, "a request of the future": {secret, -6 * time.Minute}} {
		if status, answer := press("resolve", "", c.key, c.age); status != http.StatusForbidden {
			t.Errorf("%s: answered %d %s", name, status, answer)
		}
	}
	if got := in.wantOneIssue(t, 1); got.Status != "unresolved" {
		t.Fatalf("the issue is %s before anybody pressed", got.Status)
	}
	var detail struct {
		Status     string
		AssignedTo *struct{ ID, Type string }
	}
	for _, c := range []struct {
		action, value, says string
		holds               func() bool
	}{
		{"assign", member, "ada assigned " + row.ShortID, func() bool { return detail.AssignedTo != nil && "user:"+detail.AssignedTo.ID == member }},
		{"acknowledge", "", "ada looks after " + row.ShortID, func() bool { return detail.Status == "unresolved" }},
		{"archive", "", "ada archived " + row.ShortID, func() bool { return detail.Status == "ignored" }},
		{"resolve", "", "ada resolved " + row.ShortID, func() bool { return detail.Status == "resolved" }},
		{"moon", "", "That did not work", func() bool { return detail.Status == "resolved" }},
	} {
		status, answer := press(c.action, c.value, secret, 0)
		if err := in.api(t.Context(), "organizations/"+in.Organization+"/issues/"+row.ID+"/", &detail); err != nil || status != http.StatusOK || !strings.Contains(answer, c.says) || !c.holds() {
			t.Errorf("%s: answered %d %s; the issue is %+v, %v", c.action, status, answer, detail, err)
		}
	}
	if status, err := in.send(t.Context(), eventID(2), plainEvent); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	in.await("the regression in the issue's thread", time.Minute, func(context.Context) error {
		if list := chat.messages(); len(list) != 2 || list[1].Thread != "1700000000.000001" || !strings.Contains(list[1].Text, "regression") {
			return fmt.Errorf("%+v", list)
		}
		return nil
	})
}

// openssl is the HMAC of a text by another program than ours.
func openssl(t *testing.T, key, text string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-hmac", key, "-r")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	sum, _, _ := strings.Cut(string(out), " ")
	return sum
}
