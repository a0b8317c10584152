package replay

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestMembersAreFoundAndHeldToTheirKinds: expectations that do not hold are told, those that do are not.
func TestMembersAreFoundAndHeldToTheirKinds(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal([]byte(`{"id":"7","n":2,"x":null,"list":[{"a.b":1,"at":"2026-01-02T03:04:05Z"},{"a.b":"two"}],"none":[]}`), &doc); err != nil {
		t.Fatal(err)
	}
	for line, problems := range map[string]int{
		`200 id:string n:int x:string? list:array none=[] id={want}`: 0, `201`: 1, `200 id:int`: 1, `200 absent:string`: 1, `200 absent:string?`: 0,
		`200 list[]."a.b":any`: 0, `200 list[]."a.b":int`: 1, `200 list[0].at:time`: 0, `200 id:time`: 1, `200 x:string`: 1, `200 n=3`: 1, `200 *:any?`: 0, `200 x:null`: 0,
	} {
		r := Request{want: []string{line}}
		if got := r.check(200, doc, map[string]string{"want": "7"}); len(got) != problems {
			t.Errorf("%s: want %d problems, got %v", line, problems, got)
		}
	}
	if got := fmt.Sprint(Find(doc, `list[]."a.b"`)); got != "[1 two]" {
		t.Errorf("found %s", got)
	}
}
