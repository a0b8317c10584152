package postgres

import (
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// A cursor is the place of one row in an order: the value it is sorted by, the id that breaks
// ties, and which way to go on. Clients see "value:id:back" and do not look inside.
// Rule: getsentry/sentry src/sentry/utils/cursors.py
type cursor struct {
	value, id int64
	back      bool // towards the rows before
}

func (c cursor) String() string {
	back := ":0"
	if c.back {
		back = ":1"
	}
	return strconv.FormatInt(c.value, 10) + ":" + strconv.FormatInt(c.id, 10) + back
}

// parseCursor reads a cursor; given is false for the empty text, the first page.
func parseCursor(text string) (c cursor, given bool, err error) {
	if text == "" {
		return c, false, nil
	}
	parts := strings.Split(text, ":")
	if len(text) <= 64 && len(parts) == 3 && (parts[2] == "0" || parts[2] == "1") {
		value, err1 := strconv.ParseInt(parts[0], 10, 64)
		id, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 == nil && err2 == nil {
			return cursor{value, id, parts[2] == "1"}, true, nil
		}
	}
	return c, false, fault.New(fault.Invalid, "Invalid cursor parameter.")
}

// pageLinks says where the pages around one are.
type pageLinks struct {
	Prev, Next       string
	HasPrev, HasNext bool
}

// paged cuts one row too many off a page that was read with from, turns a page that was read
// backwards around, and says where the pages around it are. place is a row's place.
func paged[T any](rows []T, limit int, from cursor, given bool, place func(T) (value, id int64)) ([]T, pageLinks) {
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	links := pageLinks{HasPrev: given, HasNext: more}
	if from.back {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
		links = pageLinks{HasPrev: more, HasNext: true}
	}
	first, last := from, from
	if len(rows) > 0 {
		first.value, first.id = place(rows[0])
		last.value, last.id = place(rows[len(rows)-1])
	}
	first.back, last.back = true, false
	links.Prev, links.Next = first.String(), last.String()
	return rows, links
}
