package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/project"
)

const sqlKeepRules = `
	insert into grouping_rules (project_id, digest, fingerprints, enhancements) values (@project, @digest, @fingerprints, @enhancements)
	on conflict do nothing`

// keepRules remembers the rules of changed settings for the events that will name them.
func keepRules(ctx context.Context, tx pgx.Tx, p int64, before, after project.Settings) error {
	if bytes.Equal(before.Grouping, after.Grouping) {
		return nil
	}
	s, err := grouping.ReadSettings(after.Grouping)
	if err != nil || s.Digest() == "" {
		return err
	}
	_, err = tx.Exec(ctx, sqlKeepRules, pgx.StrictNamedArgs{
		"project": p, "digest": s.Digest(), "fingerprints": s.Fingerprints, "enhancements": s.Enhancements})
	return translate(err, "keep the rules of project %d", p)
}

const sqlKeptRules = `select fingerprints, enhancements from grouping_rules where project_id = @project and digest = @digest`

// GroupingOf returns the settings that an event of a project was grouped by, as it says itself.
// fault.Unknown: nothing is known of them.
func (st *Store) GroupingOf(ctx context.Context, p int64, groupedBy string) (grouping.Settings, error) {
	version, digest := grouping.ReadGroupedBy(groupedBy)
	s := grouping.Settings{Config: version}
	if _, known := grouping.ByID(version); !known {
		return s, fault.New(fault.Unknown, "version %.40q of grouping is not known", version)
	}
	if digest == "" {
		return s, nil
	}
	err := st.db.QueryRow(ctx, sqlKeptRules, pgx.StrictNamedArgs{"project": p, "digest": digest}).Scan(&s.Fingerprints, &s.Enhancements)
	return s, translate(err, "the rules of the event are not known")
}

const sqlIssuesOfHashes = `
	select h.hash, h.issue_id from issue_hashes h where h.project_id = @project and h.hash = any(@hashes::bytea[])`

// IssuesOfHashes returns which of the hashes belong to issues of the project, and to which.
func (st *Store) IssuesOfHashes(ctx context.Context, p int64, hashes []grouping.Hash) (map[grouping.Hash]int64, error) {
	list := make([][]byte, len(hashes))
	for i := range hashes {
		list[i] = hashes[i][:]
	}
	rows, _ := st.db.Query(ctx, sqlIssuesOfHashes, pgx.StrictNamedArgs{"project": p, "hashes": list}) // ForEachRow reports a failed Query
	found := make(map[grouping.Hash]int64)
	var hash []byte
	var id int64
	_, err := pgx.ForEachRow(rows, []any{&hash, &id}, func() error {
		found[grouping.Hash(hash)] = id
		return nil
	})
	return found, translate(err, "find the issues of hashes of project %d", p)
}

// UpgradeGrouping brings every project to the newest version of grouping that it may have; the
// version before stays known for a while. It returns how many changed.
// Rule: getsentry/sentry src/sentry/grouping/ingest/config.py (update_or_set_grouping_config_if_needed)
func (st *Store) UpgradeGrouping(ctx context.Context) (int, error) {
	snapshots, err := st.Snapshots(ctx)
	if err != nil {
		return 0, err
	}
	changed := 0
	for _, snap := range snapshots {
		if up, err := upgraded(snap.Settings); err != nil || up == nil {
			continue // what cannot be read is reported where it is used
		}
		_, err := st.ChangeSettings(ctx, snap.Project, func(s *project.Settings) error {
			up, err := upgraded(*s)
			if err == nil && up != nil {
				s.Grouping = up
			}
			return err
		})
		if err != nil && fault.KindOf(err) != fault.Unknown {
			return changed, err
		}
		changed++
	}
	return changed, nil
}

// upgraded returns the grouping settings after Upgrade, nil when nothing changes.
func upgraded(s project.Settings) ([]byte, error) {
	g, err := grouping.ReadSettings(s.Grouping)
	if err != nil || !g.Upgrade(time.Now()) {
		return nil, err
	}
	return json.Marshal(g)
}
