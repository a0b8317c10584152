package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// shortHash is what stands for a hash in a row of events.
func shortHash(h [16]byte) int64 { return int64(binary.BigEndian.Uint64(h[:8])) }

const (
	sqlMakeHashCounts = `
		insert into hash_counts (project_id, hash, times_seen, first_seen, last_seen)
		select @project::bigint, d.hash, 0, d.first, d.last from unnest(@hashes::bytea[], @firsts::timestamptz[], @lasts::timestamptz[]) as d(hash, first, last)
		on conflict do nothing`

	sqlLockHashCounts = `
		select hash, users from hash_counts where project_id = @project and hash = any(@hashes::bytea[]) order by hash for update`

	// A sketch that did not change is null here, and stays.
	sqlAddHashCounts = `
		update hash_counts c set times_seen = c.times_seen + d.n, thinned_count = c.thinned_count + d.thinned,
			first_seen = least(c.first_seen, d.first), last_seen = greatest(c.last_seen, d.last), users = coalesce(d.users, c.users)
		from unnest(@hashes::bytea[], @counts::bigint[], @thinned::bigint[], @firsts::timestamptz[], @lasts::timestamptz[], @users::bytea[])
			as d(hash, n, thinned, first, last, users)
		where c.project_id = @project and c.hash = d.hash`
)

// foldHashes adds facts to what is counted under hashes, and counts the users of their issues anew
// where they changed. It locks rows in order of their keys, issues last and as RecordEvents does.
func foldHashes(ctx context.Context, tx pgx.Tx, project int64, facts map[[16]byte]*hashFacts) error {
	if len(facts) == 0 {
		return nil
	}
	order := make([][16]byte, 0, len(facts))
	for h := range facts {
		order = append(order, h)
	}
	slices.SortFunc(order, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	var c hashColumns
	for _, h := range order {
		c.add(h, facts[h], nil)
	}
	if _, err := tx.Exec(ctx, sqlMakeHashCounts, pgx.StrictNamedArgs{"project": project, "hashes": c.hashes, "firsts": c.firsts, "lasts": c.lasts}); err != nil {
		return err
	}
	changed, err := lockSketches(ctx, tx, project, c.hashes, facts)
	if err != nil {
		return err
	}
	c = hashColumns{}
	var moved [][]byte
	for _, h := range order {
		sketch := changed[h]
		if c.add(h, facts[h], sketch); sketch != nil {
			moved = append(moved, h[:])
		}
	}
	_, err = tx.Exec(ctx, sqlAddHashCounts, pgx.StrictNamedArgs{"project": project, "hashes": c.hashes, "counts": c.counts, "thinned": c.thinned,
		"firsts": c.firsts, "lasts": c.lasts, "users": c.users})
	if err != nil || len(moved) == 0 {
		return err
	}
	return countUsers(ctx, tx, project, sqlIssuesOfChangedHashes, pgx.StrictNamedArgs{"project": project, "hashes": moved})
}

// hashColumns are the arrays of the statements above.
type hashColumns struct {
	hashes, users   [][]byte
	counts, thinned []int64
	firsts, lasts   []time.Time
}

func (c *hashColumns) add(h [16]byte, f *hashFacts, users []byte) {
	c.hashes, c.users = append(c.hashes, h[:]), append(c.users, users)
	c.counts, c.thinned = append(c.counts, f.n), append(c.thinned, f.thinned)
	c.firsts, c.lasts = append(c.firsts, time.UnixMicro(f.first)), append(c.lasts, time.UnixMicro(f.last))
}

// lockSketches locks the rows of hashes and returns the sketches that the facts change.
func lockSketches(ctx context.Context, tx pgx.Tx, project int64, hashes [][]byte, facts map[[16]byte]*hashFacts) (map[[16]byte][]byte, error) {
	changed := make(map[[16]byte][]byte)
	rows, _ := tx.Query(ctx, sqlLockHashCounts, pgx.StrictNamedArgs{"project": project, "hashes": hashes}) // ForEachRow reports a failed Query
	var hash, users []byte
	_, err := pgx.ForEachRow(rows, []any{&hash, &users}, func() error {
		h := [16]byte(hash)
		sk := readSketch(users)
		if sk.add(facts[h].users) {
			changed[h] = sk.stored()
		}
		users = nil
		return nil
	})
	return changed, err
}

const (
	sqlIssuesOfChangedHashes = `
		select h.issue_id, c.users from issue_hashes h join hash_counts c on c.project_id = h.project_id and c.hash = h.hash
		where h.project_id = @project and c.users is not null and h.issue_id in (
			select issue_id from issue_hashes where project_id = @project and hash = any(@hashes::bytea[]) and issue_id > 0)`

	// Issues are locked in the order in which RecordEvents locks them.
	sqlSetUserCounts = `
		with d as (select * from unnest(@issues::bigint[], @counts::bigint[]) as d(id, n)),
		locked as (
			select i.id, d.n from issues i join d on d.id = i.id
			where i.project_id = @project and i.user_count <> d.n order by i.id for update of i)
		update issues i set user_count = l.n from locked l where i.project_id = @project and i.id = l.id`
)

// countUsers sets the user counts of the issues that sql finds with the sketches of their hashes.
func countUsers(ctx context.Context, tx pgx.Tx, project int64, sql string, args pgx.StrictNamedArgs) error {
	rows, _ := tx.Query(ctx, sql, args) // ForEachRow reports a failed Query
	sketches := make(map[int64]userSketch)
	var issue int64
	var users []byte
	_, err := pgx.ForEachRow(rows, []any{&issue, &users}, func() error {
		sk := readSketch(users)
		if have, known := sketches[issue]; known {
			sk.join(have)
		}
		sketches[issue] = sk
		users = nil
		return nil
	})
	if err != nil || len(sketches) == 0 {
		return err
	}
	var issues, counts []int64
	for id, sk := range sketches {
		issues, counts = append(issues, id), append(counts, int64(sk.Estimate()))
	}
	_, err = tx.Exec(ctx, sqlSetUserCounts, pgx.StrictNamedArgs{"project": project, "issues": issues, "counts": counts})
	return err
}
