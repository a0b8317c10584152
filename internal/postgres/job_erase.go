package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/job"
)

// The phases of an erasure.
const (
	eraseEvents = iota
	eraseTraces // of the user in what is counted and said
	eraseRetire // dictionaries with content of the user's events
	eraseBlocks // that need those
	eraseDictionaries
)

const eraseWalk = 500 // events that one chunk looks at, at most

// eraseStep removes some of what is kept of a user. What was counted stays counted.
func (w *jobWork) eraseStep(ctx context.Context) error {
	field, value, err := job.ParseUser(w.Args.User)
	if err != nil {
		return err
	}
	switch w.state.Phase {
	case eraseEvents:
		return w.eraseSome(ctx)
	case eraseTraces:
		return w.commit(ctx, func(tx pgx.Tx) error {
			w.state.Phase = eraseRetire
			return eraseTracesOf(ctx, tx, w.Project, field, value)
		})
	case eraseRetire:
		return w.retire(ctx)
	case eraseBlocks:
		return w.freeBlocks(ctx)
	}
	return w.commit(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlDropDictionaries, pgx.StrictNamedArgs{"project": w.Project, "ids": w.state.Old}); err != nil {
			return err
		}
		return w.finish(map[string]any{"events": w.state.Bytes})
	})
}

// eraseSome looks at the next events and purges those of the user.
func (w *jobWork) eraseSome(ctx context.Context) error {
	before := w.state
	places, err := w.walk(ctx, w.chunk(eraseWalk))
	if err != nil {
		return err
	}
	if len(places) == 0 {
		w.state.Phase = eraseTraces
		return w.commit(ctx, nil)
	}
	payloads, err := w.rawPayloads(ctx, places)
	if err != nil {
		w.state = before
		return err
	}
	wanted, err := ofUser(w.Args.User)
	if err != nil {
		return err
	}
	var found []storedPlace
	var names userNames
	for i, p := range payloads {
		if places[i].UserKey == w.Args.User || len(p) > 0 && wanted(p) {
			found = append(found, places[i])
			names.add(places[i].UserKey, p)
		}
	}
	w.Done += int64(len(places) - len(found)) // purge counts the others
	w.state.Bytes += int64(len(found))
	if len(found) == 0 {
		return w.commit(ctx, nil)
	}
	if err = w.eraseNames(ctx, &names); err == nil { // as long as the events tell them
		err = w.purge(ctx, found, true)
	}
	if err != nil {
		w.state = before
		w.Done -= int64(len(places) - len(found))
	}
	return err
}

// userNames are what events call their user: values of tags, and properties.
type userNames struct {
	tags         []string
	keys, values []string
}

func (n *userNames) add(tag string, payload []byte) {
	if tag != "" && !slices.Contains(n.tags, tag) {
		n.tags = append(n.tags, tag)
	}
	ev, err := event.Decode(payload)
	if err != nil {
		return
	}
	rec := Record{Properties: ev.User.Names()}
	rec.Sanitize()
	for _, p := range rec.Properties {
		n.keys, n.values = append(n.keys, "user."+p.Key), append(n.values, p.Value)
	}
}

const sqlEraseNames = `
	with gone as (
		delete from issue_properties where project_id = @project and (key, value) in (select distinct * from unnest(@keys::text[], @values::text[])))
	delete from issue_tags where project_id = @project and key = 'user' and value = any(@tags::text[])`

// eraseNames removes what searches could find the user by. Another user with the same address is no
// longer found by it either: a name that is forgotten too often beats one that stays.
func (w *jobWork) eraseNames(ctx context.Context, n *userNames) error {
	_, err := w.st.db.Exec(ctx, sqlEraseNames, pgx.StrictNamedArgs{"project": w.Project, "keys": n.keys, "values": n.values, "tags": n.tags})
	return translate(err, "erase the names of a user of project %d", w.Project)
}

const (
	sqlEraseTags = `
		delete from issue_tags where project_id = @project and (key = 'user' and value = @user or key = @key and value = @value)`

	sqlEraseFeedback = `delete from feedback where project_id = @project and lower(email) = lower(@value)`
)

func eraseTracesOf(ctx context.Context, tx pgx.Tx, project int64, field, value string) error {
	_, err := tx.Exec(ctx, sqlEraseTags, pgx.StrictNamedArgs{"project": project, "user": field + ":" + value, "key": "user." + field, "value": value})
	if err != nil || field != "email" {
		return err
	}
	_, err = tx.Exec(ctx, sqlEraseFeedback, pgx.StrictNamedArgs{"project": project, "value": value})
	return err
}

const (
	sqlDictionaryIDs = `select id from event_dictionaries where project_id = @project order by id`

	sqlRetireDictionaries = `update event_dictionaries set retired_at = now() where project_id = @project and id = any(@ids::bigint[]) and retired_at is null`

	sqlDropDictionaries = `delete from event_dictionaries where project_id = @project and id = any(@ids::bigint[])`
)

// retire finds the dictionaries that hold content of the user's events and takes them out of use.
func (w *jobWork) retire(ctx context.Context) error {
	wanted, err := ofUser(w.Args.User)
	if err != nil {
		return err
	}
	rows, _ := w.st.db.Query(ctx, sqlDictionaryIDs, pgx.StrictNamedArgs{"project": w.Project}) // Collect reports a failed Query
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return translate(err, "list the dictionaries of project %d", w.Project)
	}
	w.state.Old = nil
	for _, id := range ids {
		d, err := scanDictionary(w.st.db.QueryRow(ctx, sqlDictionary, pgx.StrictNamedArgs{"project": w.Project, "id": id}))
		if err != nil {
			return translate(err, "read dictionary %d", id)
		}
		docs := json.NewDecoder(bytes.NewReader(d.content))
		for {
			var doc json.RawMessage
			if docs.Decode(&doc) != nil {
				break
			}
			if wanted(doc) {
				w.state.Old = append(w.state.Old, id)
				break
			}
		}
	}
	return w.commit(ctx, func(tx pgx.Tx) error {
		if len(w.state.Old) == 0 {
			return w.finish(map[string]any{"events": w.state.Bytes})
		}
		w.state.Phase, w.state.At, w.state.Block = eraseBlocks, time.Time{}, 0
		if _, err := tx.Exec(ctx, sqlRetireDictionaries, pgx.StrictNamedArgs{"project": w.Project, "ids": w.state.Old}); err != nil {
			return err
		}
		return tx.QueryRow(ctx, sqlCurrentXid).Scan(&w.state.Xid)
	})
}

const (
	sqlXidEnded = `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint > @xid`

	sqlWalkBlocks = `
		select day, id, substring(data for 16) from event_blocks where project_id = @project and day >= @day::date and (day, id) > (@day::date, @id)
		order by day, id limit 100`
)

// freeBlocks writes some blocks anew that need a retired dictionary.
func (w *jobWork) freeBlocks(ctx context.Context) error {
	var ended bool
	if err := w.st.db.QueryRow(ctx, sqlXidEnded, pgx.StrictNamedArgs{"xid": w.state.Xid}).Scan(&ended); err != nil || !ended {
		w.wait = true // blocks with it may still be on their way
		return translate(err, "wait for older transactions")
	}
	day := w.state.At
	if day.IsZero() {
		day = time.Unix(0, 0)
	}
	rows, _ := w.st.db.Query(ctx, sqlWalkBlocks, pgx.StrictNamedArgs{"project": w.Project, "day": day.UTC(), "id": w.state.Block}) // ForEachRow reports a failed Query
	var keys []blockKey
	var key blockKey
	var head []byte
	read := 0
	_, err := pgx.ForEachRow(rows, []any{&key.day, &key.id, &head}, func() error {
		read++
		w.state.At, w.state.Block = key.day, key.id
		if slices.Contains(w.state.Old, blockDictionary(head)) {
			keys = append(keys, key)
		}
		return nil
	})
	if err != nil {
		return translate(err, "walk the blocks of project %d", w.Project)
	}
	if read == 0 {
		w.state.Phase = eraseDictionaries
		return w.commit(ctx, nil)
	}
	blocks, err := w.rewriteBlocks(ctx, keys, func(blockKey, [][]byte) bool { return true })
	if err != nil {
		return err
	}
	return w.commit(ctx, func(tx pgx.Tx) error { return blocks.write(ctx, tx, w.Project) })
}
