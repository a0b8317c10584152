package channels_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

func TestEveryChannelIsHeldToTheTable(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, k := range kinds() {
		covered[k.channel] = true
		spec, ok := channels.Spec(k.channel)
		if !ok {
			t.Fatalf("%s: there is no channel %s", k.name, k.channel)
		}
		if _, _, err := spec.Read(k.settings("https://chat.example"+hook), nil); err != nil {
			t.Errorf("%s: the settings of the tests are not accepted: %v", k.name, err)
		}
	}
	for _, s := range channels.Specs() {
		if !covered[s.Name] {
			t.Errorf("channel %s is not in the table", s.Name)
		}
	}
}

// TestMessagesAreAsRecorded: what each service gets is the file that was held against its reference.
func TestMessagesAreAsRecorded(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		ch := k.open(t, outbound.Options{}, relayTo(t, "smtp://127.0.0.1:1"))
		for name, n := range map[string]*alert.Notice{"alert": notice(), "digest": digest(), "resolve": as(alert.NoticeResolve), "escalation": as(alert.NoticeEscalation), "test": as(alert.NoticeTest)} {
			got, err := ch.Render(n, k.settings("https://chat.example"+hook))
			if err != nil {
				t.Errorf("%s, %s: %v", k.name, name, err)
				continue
			}
			if !k.http() {
				golden.Check(t, k.name+"/"+name+".eml", bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")))
				continue
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "  "); err != nil {
				t.Errorf("%s, %s: %v in %s", k.name, name, err, got)
			}
			golden.Check(t, k.name+"/"+name+".json", append(pretty.Bytes(), '\n'))
			if k.secret != "" && bytes.Contains(got, []byte(k.secret)) {
				t.Errorf("%s, %s: what is stored holds the secret", k.name, name)
			}
		}
	}
}
