package scrub_test

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

func TestRawValuesKeepTheirText(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 200) + `"password"` + strings.Repeat("]", 200)
	cut := strings.Repeat("[", 100) + "null" + strings.Repeat("]", 100)
	c := compile(t, scrub.Defaults())
	for in, want := range map[string]string{
		` { "a" : [ 1.50 , "password" , null ] , "b" : "\u00e9" } `: ` { "a" : [ 1.50 , "[Filtered]" , null ] , "b" : "\u00e9" } `,
		`{"secret":{"a":[{}]},"b":1e2,"secret":2}`:                  `{"secret":"[Filtered]","b":1e2,"secret":"[Filtered]"}`,
		`{"secret":null,"token":false,"otp":[]}`:                    `{"secret":null,"token":false,"otp":"[Filtered]"}`,
		`{"headers":[["token","x"],["a"],["b","c","d"],[1,"e"]]}`:   `{"headers":[["token","[Filtered]"],["a"],["b","c","d"],[1,"e"]]}`,
		`[]`:         `[]`,
		`{}`:         `{}`,
		`""`:         `""`,
		deep:         cut,
		`{"secret":`: `{"secret":`, // no JSON: only checked not to fail
	} {
		ev := &event.Event{Extra: event.Object{{Name: "v", Value: event.Value(in)}}}
		c.Apply(ev)
		if got := string(ev.Extra[0].Value); got != want {
			t.Errorf("%.80s\nwant %.120s\ngot  %.120s", in, want, got)
		}
	}
}

func TestEveryMatchOfALongFileIsMasked(t *testing.T) {
	t.Parallel()
	b := []byte(strings.Repeat("at 192.0.2.17\n", 1000))
	if !config(t, `{}`, `{"$attachments":["@ip"]}`).Attachment("log.txt", b) {
		t.Error("nothing was masked")
	}
	if want := strings.Repeat("at **********\n", 1000); string(b) != want {
		t.Errorf("%d addresses are left", strings.Count(string(b), "192"))
	}
}

func TestTextsWithManyMatchesAreReplacedWhole(t *testing.T) {
	t.Parallel()
	v := scrubbed(t, config(t, `{}`, `{"$string":["@email"]}`), `{"extra":{"m":"`+strings.Repeat("a@b.co ", 500)+`"}}`)
	if got := at(t, v, "extra.m"); got != `"[email]"` {
		t.Errorf("got %.100s", got)
	}
}
