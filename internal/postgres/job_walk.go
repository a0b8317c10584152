package postgres

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/job"
)

const (
	sqlWalkProject = `
		select ` + placeColumns + ` from events where project_id = @project and received_at >= @at and received_at <= @until
			and (received_at, event_id) > (@at::timestamptz, @event::uuid)
		order by received_at, event_id limit @limit`

	sqlWalkIssue = `
		select ` + placeColumns + ` from events where project_id = @project and issue_id = @issue and received_at >= @at and received_at <= @until
			and (received_at, event_id) > (@at::timestamptz, @event::uuid)
		order by received_at, event_id limit @limit`

	sqlCountProject = `
		select count(*) from events where project_id = @project and received_at <= @until and (cardinality(@ids::bigint[]) = 0 or issue_id = any(@ids))`
)

// walk returns the next events that the job is about, none at its end, and moves the token past
// them: those of its issues, or else all of the project, that were received before it began.
func (w *jobWork) walk(ctx context.Context, limit int) ([]storedPlace, error) {
	if w.Total == 0 && w.state.At.IsZero() {
		ids := w.Args.Issues
		if ids == nil {
			ids = []int64{}
		}
		// A count that takes too long is done without.
		_ = w.st.db.QueryRow(ctx, sqlCountProject, pgx.StrictNamedArgs{"project": w.Project, "until": w.state.Until, "ids": ids}).Scan(&w.Total)
	}
	until := w.state.Until
	if until.IsZero() {
		until = time.Now().UTC().AddDate(1, 0, 0) // all there are
	}
	for {
		args := pgx.StrictNamedArgs{"project": w.Project, "at": w.state.At, "event": [16]byte(w.state.Event), "until": until, "limit": limit}
		sql := sqlWalkProject
		if len(w.Args.Issues) > 0 {
			if w.state.Index == len(w.Args.Issues) {
				return nil, nil
			}
			sql, args["issue"] = sqlWalkIssue, w.Args.Issues[w.state.Index]
		}
		rows, _ := w.st.db.Query(ctx, sql, args) // Collect reports a failed Query
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedPlace])
		if err != nil {
			return nil, translate(err, "walk the events of project %d", w.Project)
		}
		if n := len(list); n > 0 {
			w.state.At, w.state.Event = list[n-1].ReceivedAt, list[n-1].Event.Bytes
			return list, nil
		}
		if len(w.Args.Issues) == 0 {
			return nil, nil
		}
		w.state.Index, w.state.At, w.state.Event = w.state.Index+1, time.Time{}, event.ID{}
	}
}

// rawPayloads are the payloads of events as they are stored; nil for one that is gone.
func (w *jobWork) rawPayloads(ctx context.Context, places []storedPlace) ([][]byte, error) {
	refs := make([]blockRef, len(places))
	for i, p := range places {
		refs[i] = blockRef{p.ReceivedAt, p.BlockID, p.BlockIndex}
	}
	return w.st.payloads(ctx, w.Project, refs)
}

// exportEvents is how many events one part of an export looks at.
const exportEvents = 250

// exportStep writes one part. Parts are gzip members, which make one file when put together.
func (w *jobWork) exportStep(ctx context.Context) error {
	before := w.state
	places, err := w.walk(ctx, exportEvents)
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return w.commit(ctx, func(pgx.Tx) error {
			return w.finish(map[string]any{"events": w.state.Block, "bytes": w.state.Bytes})
		})
	}
	payloads, err := w.rawPayloads(ctx, places)
	if err != nil {
		w.state = before
		return err
	}
	wanted := func([]byte) bool { return true }
	if w.Args.User != "" {
		if wanted, err = ofUser(w.Args.User); err != nil {
			return err
		}
	}
	var part bytes.Buffer
	zip := gzip.NewWriter(&part)
	lines := int64(0)
	for _, p := range payloads {
		if len(p) == 0 || !wanted(p) {
			continue
		}
		lines++
		_, _ = zip.Write(p) // into memory
		_, _ = zip.Write([]byte("\n"))
	}
	if err := zip.Close(); err != nil {
		return err
	}
	if lines > 0 {
		if w.tools.Put == nil {
			return fault.New(fault.Unavailable, "there is no place for exports")
		}
		key, err := w.tools.Put(ctx, w.Project, w.state.Until, part.Bytes())
		if err != nil {
			w.state = before
			return err
		}
		w.state.Parts, w.state.Block, w.state.Bytes = append(w.state.Parts, key), w.state.Block+lines, w.state.Bytes+int64(part.Len())
	}
	w.Done += int64(len(places))
	return w.commit(ctx, nil)
}

// ofUser tells the payloads of events of a user.
func ofUser(text string) (func(payload []byte) bool, error) {
	field, value, err := job.ParseUser(text)
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	mark := []byte(value)
	if string(quoted) != `"`+value+`"` {
		mark = nil // its form in the payload is not certain
	}
	return func(payload []byte) bool {
		if mark != nil && !bytes.Contains(payload, mark) {
			return false
		}
		ev, err := event.Decode(payload)
		return err == nil && isUser(ev.User, field, value)
	}, nil
}

func isUser(u *event.User, field, value string) bool {
	if u == nil {
		return false
	}
	return value == map[string]string{"id": u.ID, "email": u.Email, "username": u.Username, "ip": u.IPAddress}[field]
}

// symbolicateStep maps the frames of some events anew. Their issues stay as they are; grouping is a
// job of its own, which this one starts at its end if asked to.
func (w *jobWork) symbolicateStep(ctx context.Context) error {
	if w.tools.Symbolicate == nil {
		return fault.New(fault.Unavailable, "nothing here can map frames")
	}
	before, done := w.state, w.Done
	again := func(err error) error {
		w.state, w.Done = before, done
		return err
	}
	places, err := w.walk(ctx, w.chunk(readEvents))
	if err != nil {
		return again(err)
	}
	if len(places) == 0 {
		return w.commit(ctx, func(tx pgx.Tx) error { return w.finishSymbolicate(ctx, tx) })
	}
	events, err := w.decode(ctx, places)
	if err != nil {
		return again(err)
	}
	fresh := make(map[blockKey]map[int16][]byte)
	for i, began := 0, time.Now(); i < len(places); i++ {
		if i > 0 && time.Since(began) > symbolicateTime { // the rest is for the next chunk
			places = places[:i]
			w.state.At, w.state.Event = places[i-1].ReceivedAt, places[i-1].Event.Bytes
			break
		}
		if events[i] == nil {
			continue
		}
		mapped, err := w.tools.Symbolicate(ctx, w.Project, events[i])
		if err != nil {
			return again(err)
		}
		if mapped != nil {
			w.state.Block++
			replace(fresh, places[i], mapped.AppendJSON(nil))
		}
	}
	blocks, err := w.replacePayloads(ctx, fresh)
	if err != nil {
		return again(err)
	}
	w.Done += int64(len(places))
	if err := w.commit(ctx, func(tx pgx.Tx) error { return blocks.write(ctx, tx, w.Project) }); err != nil {
		return again(err)
	}
	return nil
}

// symbolicateTime is how long one chunk maps frames at most: whatever an event takes, the job tells soon
// how far it is, and stops soon when it is asked to.
const symbolicateTime = 2 * time.Second

func (w *jobWork) finishSymbolicate(ctx context.Context, tx pgx.Tx) error {
	result := map[string]any{"events": w.Done, "changed": w.state.Block}
	if w.Args.Regroup && w.state.Block > 0 {
		id, err := insertJob(ctx, tx, w.Project, job.Regroup, job.Args{Issues: w.Args.Issues}, jobState{Until: w.state.Until}, w.CreatedBy)
		if err != nil {
			return err
		}
		result["regroupJob"] = strconv.FormatInt(id, 10)
	}
	return w.finish(result)
}

func replace(fresh map[blockKey]map[int16][]byte, p storedPlace, payload []byte) {
	key := blockKey{dayOf(p.ReceivedAt), p.BlockID}
	if fresh[key] == nil {
		fresh[key] = make(map[int16][]byte)
	}
	fresh[key][p.BlockIndex] = payload
}

// replacePayloads prepares the blocks with new payloads of some events.
func (w *jobWork) replacePayloads(ctx context.Context, fresh map[blockKey]map[int16][]byte) (*rewrite, error) {
	keys := make([]blockKey, 0, len(fresh))
	for k := range fresh {
		keys = append(keys, k)
	}
	return w.rewriteBlocks(ctx, keys, func(key blockKey, payloads [][]byte) bool {
		for i, p := range fresh[key] {
			if i >= 0 && int(i) < len(payloads) && len(payloads[i]) > 0 {
				payloads[i] = p
			}
		}
		return true
	})
}
