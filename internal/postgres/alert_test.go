package postgres_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

func TestRulesAreStoredAndRead(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	want := alert.NewOrRegressed(1, "Tell us", testAction)
	want.Frequency, want.CreatedBy = time.Hour, 9
	want.Filters = []alert.Clause{{Kind: alert.KindEnvironment, Value: "production"}}
	if err := st.PutRule(t.Context(), &want); err != nil || want.ID == 0 || want.CreatedAt.IsZero() {
		t.Fatalf("put: %v, %+v", err, want)
	}
	want.Name, want.Enabled = "Tell them", false
	if err := st.PutRule(t.Context(), &want); err != nil {
		t.Fatal(err)
	}
	got, err := st.Rule(t.Context(), 1, want.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if list, err := st.Rules(t.Context(), 1); err != nil || len(list) != 1 {
		t.Errorf("want one rule, got %v, %v", list, err)
	}
	elsewhere := want
	elsewhere.Project = 2
	for name, err := range map[string]error{
		"put elsewhere":    st.PutRule(t.Context(), &elsewhere),
		"delete elsewhere": st.DeleteRule(t.Context(), 2, want.ID),
	} {
		if fault.KindOf(err) != fault.Unknown {
			t.Errorf("%s: want fault.Unknown, got %v", name, err)
		}
	}
	if err := st.DeleteRule(t.Context(), 1, want.ID); err != nil {
		t.Error(err)
	}
	if _, err := st.Rule(t.Context(), 1, want.ID); fault.KindOf(err) != fault.Unknown {
		t.Errorf("deleted: want fault.Unknown, got %v", err)
	}
	bad := alert.Rule{Project: 1, Name: "x"}
	if err := st.PutRule(t.Context(), &bad); fault.KindOf(err) != fault.Invalid {
		t.Errorf("want fault.Invalid, got %v", err)
	}
}

func TestAProjectHasALimitOfRules(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	for i := range 1001 {
		r := alert.NewOrRegressed(1, "Rule "+strconv.Itoa(i), testAction)
		if err := st.PutRule(t.Context(), &r); (fault.KindOf(err) == fault.Invalid) != (i == 1000) || (err == nil) != (i < 1000) {
			t.Fatalf("rule %d: %v", i, err)
		}
	}
}
