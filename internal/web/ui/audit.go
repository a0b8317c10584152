package ui

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

const auditRows = 50 // of a page

// auditLog shows who did what.
func (u *UI) auditLog(v *visit) error {
	if err := v.principal.Require(account.OrgWrite); err != nil {
		return err
	}
	ctx, org, q := v.r.Context(), v.principal.Organization, v.r.URL.Query()
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // anything else is the newest page
	list, more, err := u.Store.AuditLog(ctx, org.ID, postgres.AuditQuery{Event: q.Get("event"), Text: q.Get("query"), Before: max(before, 0), Limit: auditRows})
	if err != nil {
		return err
	}
	events, err := u.Store.AuditEvents(ctx, org.ID)
	if err != nil {
		return err
	}
	export := "/api/v1/organizations/" + org.Slug + "/audit-log/export/"
	page := view.AuditPage{Event: q.Get("event"), Query: q.Get("query"), JSONL: export, CSV: export + "?format=csv"}
	if page.Check = v.orgPath("/settings/audit?check=1"); q.Get("check") != "" { // it reads the whole log
		if page.Entries, page.BrokenAt, err = u.Store.VerifyAudit(ctx, org.ID); err != nil {
			return err
		}
		page.Checked = true
	}
	for _, e := range events {
		page.Events = append(page.Events, view.Choice{Value: e, Label: e, Current: e == page.Event})
	}
	for _, e := range list {
		page.Rows = append(page.Rows, auditRow(e))
	}
	link := func(before int64) string {
		ask := url.Values{"event": {page.Event}, "query": {page.Query}}
		if before > 0 {
			ask.Set("before", idText(before))
		}
		return v.orgPath("/settings/audit?" + ask.Encode())
	}
	if more {
		page.Next = link(list[len(list)-1].Seq)
	}
	if before > 0 {
		page.Newest = link(0)
	}
	return v.settingsPage(http.StatusOK, "Audit log", func(p view.Page) component { return view.Audit(p, page) })
}

func auditRow(e account.AuditEntry) view.AuditRow {
	row := view.AuditRow{Seq: e.Seq, At: e.At, Actor: e.Actor, Token: e.Token != 0, Address: e.Address, Event: e.Event, Target: e.Target, Note: e.Note,
		Hash: hex.EncodeToString(e.Hash[:6])}
	details := e.Details()
	for name, value := range details {
		row.Details = append(row.Details, view.Detail{Name: name, Value: fmt.Sprint(value)})
	}
	slices.SortFunc(row.Details, func(a, b view.Detail) int { return compareText(a.Name, b.Name) })
	return row
}

func compareText(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}
