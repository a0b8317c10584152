package migrations_test

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/migrations"
)

// rule is a way to hold a lock for long, or to break the release that still runs.
type rule struct {
	matches *regexp.Regexp
	unless  *regexp.Regexp // what makes it harmless; nil: nothing
	advice  string
}

var rules = []rule{
	{regexp.MustCompile(`create (unique )?index (?:if not exists )?(\w+ )?on`), regexp.MustCompile(`concurrently`), "an index on a table that exists is made concurrently, in a migration without a transaction"},
	{regexp.MustCompile(`add column \w+ .*\bnot null`), regexp.MustCompile(`\bdefault\b|\bgenerated\b`), "a new column is nullable or has a constant default"},
	{regexp.MustCompile(`add column .*default (random|gen_random_uuid|clock_timestamp|nextval)`), nil, "a default that differs by row rewrites the table"},
	{regexp.MustCompile(`alter column \w+ (set data )?type`), nil, "changing a type rewrites the table: add a column, fill it in steps, switch, drop the old one a release later"},
	{regexp.MustCompile(`alter column \w+ set not null`), nil, "setting not null reads the whole table under a lock: add a check as not valid, validate it"},
	{regexp.MustCompile(`add (constraint \w+ )?(check|foreign key)`), regexp.MustCompile(`not valid`), "a constraint is added as not valid and validated after"},
	{regexp.MustCompile(`add (constraint \w+ )?(unique|primary key)`), regexp.MustCompile(`using index`), "a key is added from an index that was made concurrently"},
	{regexp.MustCompile(`\b(drop column|rename column|rename to|drop table)\b`), nil, "the release before this one still uses it: stop using it first, drop it a release later"},
	{regexp.MustCompile(`\b(lock table|vacuum full|cluster|truncate)\b`), nil, "it holds the strongest lock"},
	{regexp.MustCompile(`\bcreate (trigger|rule|type|extension|sequence|materialized view)\b`), nil, "not every Postgres-compatible engine has it"},
	{regexp.MustCompile(`^(update|delete)\b`), nil, "rows are changed in steps by a job, not in a migration"},
}

// firstRelease is the last migration that comes with the first release: up to it no installation has
// rows in its tables, and nothing waits for a lock.
const firstRelease = 199

var (
	comment = regexp.MustCompile(`(?m)--(?: [^+]|[^ ]).*$`)
	created = regexp.MustCompile(`create table (?:if not exists )?(\w+)`)
	target  = regexp.MustCompile(`create (?:unique )?index (?:concurrently )?(?:if not exists )?(?:\w+ )?on (\w+)|alter table (?:only )?(\w+)`)
	space   = regexp.MustCompile(`\s+`)
)

// lint reports what is wrong with the statements of one migration.
func lint(name, text string) (complaints []string) {
	up, _, _ := strings.Cut(strings.ToLower(text), "-- +goose down")
	fresh := map[string]bool{} // tables made here are empty: nothing waits for them
	for _, m := range created.FindAllStringSubmatch(up, -1) {
		fresh[m[1]] = true
	}
	for _, statement := range strings.Split(comment.ReplaceAllString(up, ""), ";") {
		statement = strings.TrimSpace(space.ReplaceAllString(statement, " "))
		statement = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(statement, "-- +goose up"), "-- +goose no transaction"))
		if m := target.FindStringSubmatch(statement); m != nil && (fresh[m[1]] || fresh[m[2]]) {
			continue
		}
		for _, r := range rules {
			if !r.matches.MatchString(statement) || r.unless != nil && r.unless.MatchString(statement) {
				continue
			}
			complaints = append(complaints, name+": "+statement+"\n\t"+r.advice)
		}
		if strings.Contains(statement, "concurrently") && !strings.Contains(up, "-- +goose no transaction") {
			complaints = append(complaints, name+": concurrently needs -- +goose NO TRANSACTION")
		}
	}
	return complaints
}

// TestMigrationsHoldNoLongLock reads every migration for what would stop traffic on a large table
// or break the release before.
func TestMigrationsHoldNoLongLock(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		head, _, _ := strings.Cut(name, "_")
		if n, err := strconv.Atoi(head); err != nil || n <= firstRelease {
			continue
		}
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range lint(name, string(text)) {
			t.Error(c)
		}
	}
}

func TestTheLinterFindsLongLocks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"create index a on events (x);":                                                     1,
		"create table t (x int); create index a on t (x);":                                  0,
		"alter table issues add column x int not null;":                                     1,
		"alter table issues add column x int not null default 0":                            0,
		"alter table issues alter column x type bigint":                                     1,
		"alter table issues drop column x":                                                  1,
		"update issues set x = 1":                                                           1,
		"create index concurrently a on events (x)":                                         1, // in a transaction
		"-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently a on events (x)": 0,
		"alter table issues add constraint c check (x > 0)":                                 1,
		"alter table issues add constraint c check (x > 0) not valid":                       0,
	} {
		if got := lint("x.sql", text); len(got) != want {
			t.Errorf("%q: want %d complaints, got %q", text, want, got)
		}
	}
}
