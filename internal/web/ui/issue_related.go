package ui

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/ownership"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/regroup"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// ownerOf is whom the rules of a project name for an event.
func ownerOf(o *ownership.Settings, e *event.Event) (owner view.OwnerFact) {
	if o.Raw == "" && o.CodeOwners == "" {
		return owner
	}
	raw, _ := ownership.Parse(o.Raw) // both were checked when they were stored
	file, _ := ownership.ParseCodeOwners(o.CodeOwners)
	facts := ownership.FactsOf(e)
	rule := raw.Match(facts)
	if rule == nil {
		rule = file.Match(facts)
	}
	if rule != nil {
		owner = view.OwnerFact{Names: strings.Join(rule.Owners, ", "), Rule: rule.Text()}
	}
	return owner
}

// suspects are commits that may have caused an issue, in words.
func suspects(list []release.Suspect) (out []view.SuspectCommit) {
	for i := range list {
		c := &list[i]
		out = append(out, view.SuspectCommit{ID: c.Commit.ID[:min(len(c.Commit.ID), 8)], Title: firstLine(c.Commit.Message), Author: c.Commit.AuthorName,
			At: c.Commit.At, Path: c.Path, Confidence: confidence(c.Confidence), Repository: c.Commit.Repository})
	}
	return out
}

func confidence(c float64) string {
	switch {
	case c >= 0.75:
		return "very likely"
	case c >= 0.4:
		return "likely"
	}
	return "possible"
}

// similarShown is how many candidates the page of similar issues lists.
const similarShown = 10

// issueSimilar lists issues with something in common, and why.
func (u *UI) issueSimilar(v *visit) error {
	of, head, err := u.issueTabPage(v, "similar")
	if err != nil {
		return err
	}
	row := &of.Issue
	list, err := u.Store.SimilarIssues(v.r.Context(), row.Project, row.ID, similarShown)
	if err != nil {
		return err
	}
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].Issue
	}
	rows, err := u.Store.IssuesByID(v.r.Context(), v.principal.Organization.ID, ids)
	if err != nil {
		return err
	}
	page := view.SimilarPage{IssueHead: head, Action: v.orgPath("/issues"), Back: v.orgPath("/issues/" + row.ShortID)}
	for i := range list {
		at := slices.IndexFunc(rows, func(r postgres.IssueRow) bool { return r.ID == list[i].Issue })
		if at < 0 {
			continue
		}
		c := view.SimilarIssue{Row: issueRow(&rows[at], v.orgPath("/issues/"), v.base.Now), Functions: list[i].Functions, SameError: list[i].SameError, SameCulprit: row.Culprit != "" && row.Culprit == rows[at].Culprit}
		if n := list[i].Of; n > 0 {
			c.Shared = fmt.Sprintf("%d of %d functions", len(list[i].Functions), n)
		}
		page.Issues = append(page.Issues, c)
	}
	return v.render(http.StatusOK, "Similar to "+row.ShortID, func(p view.Page) component { return view.IssueSimilar(p, page) })
}

// issueMerged shows what grouping made of the issue's events, and why the one shown is here.
func (u *UI) issueMerged(v *visit) error {
	of, head, err := u.issueTabPage(v, "merged")
	if err != nil {
		return err
	}
	row := &of.Issue
	hashes, err := u.Store.IssueHashCounts(v.r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	page := view.MergedPage{IssueHead: head, Action: v.orgPath("/issues/" + row.ShortID + "/merged"), RulesHref: v.orgPath("/projects/" + row.ProjectSlug + "/grouping")}
	for _, h := range hashes {
		page.Hashes = append(page.Hashes, view.HashLine{Hash: h.Hash, Events: h.TimesSeen, First: h.FirstSeen, Last: h.LastSeen})
	}
	found, err := u.Store.ChosenEvent(v.r.Context(), row.Project, row.ID, postgres.EventSelector{Which: postgres.EventRecommended})
	if err == nil {
		if page.Why, err = u.explained(v.r.Context(), of.Project, &found); err != nil {
			return err
		}
		page.EventHref = v.eventHref(row, found.Event.ID)
	} else if fault.KindOf(err) != fault.Unknown {
		return err
	}
	return v.render(http.StatusOK, "Grouping of "+row.ShortID, func(p view.Page) component { return view.IssueMerged(p, page) })
}

// explained says why an event is in its issue.
func (u *UI) explained(ctx context.Context, p project.Project, found *postgres.EventView) (*view.Why, error) {
	x, err := regroup.ExplainEvent(ctx, u.Store, p, found.Issue, found.Event)
	if err != nil {
		return nil, err
	}
	w := &view.Why{Version: x.Config, Rule: x.MatchedRule, Current: x.Current, Reproduced: x.Reproduced, Client: strings.Join(x.ClientFingerprint, ", ")}
	var by []string
	for i := range x.Variants {
		variant := &x.Variants[i]
		shown := view.WhyVariant{Name: strings.ReplaceAll(variant.Name, "_", " "), Contributes: variant.Contributes, Hint: variant.Hint, Values: variant.Values}
		if variant.Contributes {
			shown.Hash = variant.Hash.String()
			if c := variant.ContributingComponent(); c != "" {
				by = append(by, strings.ReplaceAll(c, "_", " "))
			} else {
				by = append(by, shown.Name)
			}
		}
		if variant.Component != nil {
			shown.Tree = []view.WhyNode{whyNode(variant.Component)}
		}
		w.Variants = append(w.Variants, shown)
	}
	slices.SortStableFunc(w.Variants, func(a, b view.WhyVariant) int {
		return map[bool]int{true: 1}[b.Contributes] - map[bool]int{true: 1}[a.Contributes]
	})
	w.Sentence = "Grouped by " + strings.Join(slices.Compact(by), " and ") + "."
	if len(by) == 0 {
		w.Sentence = "Nothing of the event tells it from others."
	}
	return w, nil
}

func whyNode(c *grouping.Component) view.WhyNode {
	n := view.WhyNode{Name: strings.ReplaceAll(c.ID, "_", " "), Contributes: c.Contributes, Hint: c.Hint}
	if c.Name != "" {
		n.Name = c.Name
	}
	for i := range c.Values {
		if child := &c.Values[i]; child.ID == "" {
			n.Texts = append(n.Texts, child.Text)
		} else {
			n.Nodes = append(n.Nodes, whyNode(child))
		}
	}
	return n
}

// changeMerged takes hashes out of an issue, which become an issue of their own.
func (u *UI) changeMerged(v *visit) error {
	if err := v.principal.Require(account.EventWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	row, err := u.findIssue(v)
	if err != nil {
		return err
	}
	var hashes []grouping.Hash
	for _, text := range v.r.PostForm["hash"] {
		h, err := grouping.ParseHash(text)
		if err != nil {
			return err
		}
		hashes = append(hashes, h)
	}
	back := v.orgPath("/issues/" + row.ShortID + "/merged")
	if len(hashes) == 0 {
		v.notify(view.Notice{Text: "Choose what leaves the issue.", Bad: true})
		return v.redirect(back)
	}
	target, _, err := u.Store.UnmergeIssue(v.r.Context(), row.Project, row.ID, hashes, v.principal.UserID())
	if text, _, ok := turnedDown(err); ok && err != nil {
		v.notify(view.Notice{Text: text, Bad: true})
		return v.redirect(back)
	}
	if err != nil {
		return err
	}
	made, err := u.Store.IssueByID(v.r.Context(), v.principal.Organization.ID, target)
	if err != nil {
		return err
	}
	v.note = audit.Note{Event: "issue.unmerge", Target: row.ShortID, Text: "into " + made.ShortID}
	n := v.jobNotice("Made "+made.ShortID+" of "+strconv.Itoa(len(hashes))+" of its hashes. Its events move there now.", &row)
	v.notify(n)
	return v.redirect(v.orgPath("/issues/" + made.ShortID))
}

// hasScripts reports whether an event has frames that source maps could make readable.
func hasScripts(e *event.Event) bool { return e.Platform == "javascript" || e.Platform == "node" }

// eventDoctor says of every frame of an event why it is as it is.
func (u *UI) eventDoctor(v *visit) error {
	row, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	page := view.DoctorPage{Back: v.eventHref(&row, e.Event.ID), Uploads: v.orgPath("/projects/" + row.ProjectSlug + "/artifacts"), Release: e.Event.Release, Dist: e.Event.Dist}
	if page.Frames, page.Good, err = u.diagnosed(v, row.ProjectSlug, e.Event); err != nil {
		return err
	}
	v.base.Section = view.SectionIssues
	v.base.Crumbs = []view.Link{{Label: "Issues", Href: v.orgPath("/issues")}, {Label: row.ShortID, Href: v.orgPath("/issues/" + row.ShortID)}, {Label: "Source maps"}}
	return v.render(http.StatusOK, "Source maps of "+row.ShortID, func(p view.Page) component { return view.Doctor(p, page) })
}
