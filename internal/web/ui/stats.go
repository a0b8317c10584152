package ui

import (
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// statsRanges are the times the page of stats can show.
var statsRanges = []struct {
	word, label string
	step        time.Duration
	steps       int
}{
	{"1h", "1 h", time.Minute, 60},
	{"24h", "24 h", time.Hour, 24},
	{"7d", "7 d", 6 * time.Hour, 28},
	{"30d", "30 d", 24 * time.Hour, 30},
	{"90d", "90 d", 24 * time.Hour, 90},
}

// stats is the page of what became of everything that arrived. Its table has the numbers of the
// ledger, and the chart is drawn from the table's.
func (u *UI) stats(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	ctx, q := v.r.Context(), v.r.URL.Query()
	projects, err := u.Store.Projects(ctx, v.principal.Organization.ID)
	if err != nil {
		return err
	}
	page := view.StatsPage{Path: v.orgPath("/stats"), Project: q.Get("project"), Category: q.Get("category")}
	at := statsRanges[1]
	for _, r := range statsRanges {
		if r.word == q.Get("range") {
			at = r
		}
	}
	page.Range = at.word
	href := func(name, value string) string {
		c := url.Values{"range": {page.Range}, "project": {page.Project}, "category": {page.Category}}
		c.Set(name, value)
		for k := range c {
			if c.Get(k) == "" {
				c.Del(k)
			}
		}
		return page.Path + "?" + c.Encode()
	}
	for _, r := range statsRanges {
		page.Ranges = append(page.Ranges, view.Link{Label: r.label, Href: href("range", r.word), Current: r.word == at.word})
	}
	var ids []int64
	names := make(map[int64]string, len(projects))
	page.Projects = []view.Choice{{Label: "All projects"}}
	for _, p := range projects {
		page.Projects = append(page.Projects, view.Choice{Value: p.Slug, Label: p.Name, Current: p.Slug == page.Project})
		names[p.ID] = p.Name
		if page.Project == "" || page.Project == p.Slug {
			ids = append(ids, p.ID)
		}
	}
	end := v.base.Now.UTC().Truncate(at.step).Add(at.step)
	from := end.Add(-time.Duration(at.steps) * at.step)
	counts, err := u.Store.OutcomeCounts(ctx, postgres.OutcomeQuery{Projects: ids, From: from, Step: at.step, Steps: at.steps})
	if err != nil {
		return err
	}
	labels := make(map[int64]string)
	for _, id := range ids {
		keys, err := u.Store.Keys(ctx, id)
		if err != nil {
			return err
		}
		for _, k := range keys {
			labels[k.ID] = k.Label
		}
	}
	fillStats(&page, counts, names, labels, from, at.step, at.steps)
	if page.Storage, err = u.storage(v); err != nil {
		return err
	}
	v.base.Section = view.SectionStats
	v.base.Crumbs = []view.Link{{Label: "Stats"}}
	return v.render(http.StatusOK, "Stats", func(p view.Page) component { return view.Stats(p, page) })
}

// fillStats sums the counts into the table and the bars.
func fillStats(page *view.StatsPage, counts []postgres.OutcomeCount, projects, keys map[int64]string, from time.Time, step time.Duration, steps int) {
	type line struct {
		project, key int64
		category     outcome.Category
		kind         outcome.Kind
		reason       string
	}
	sums, categories := make(map[line]int64), make(map[string]int64)
	for _, c := range counts {
		name := c.Category.String()
		categories[name] += c.Quantity
		if page.Category != "" && page.Category != name || page.Category == "" && quota.Bytes(c.Category) {
			continue // bytes do not add up with items
		}
		sums[line{c.Project, c.KeyID, c.Category, c.Outcome, c.Reason}] += c.Quantity
		page.Add(c.Outcome.String(), c.Step, steps, c.Quantity)
	}
	for i := range steps {
		format := "15:04"
		if step >= 6*time.Hour {
			format = "2 Jan 15:04"
		}
		if step >= 24*time.Hour {
			format = "2 Jan"
		}
		page.Labels = append(page.Labels, from.Add(time.Duration(i)*step).Format(format))
	}
	for l, n := range sums {
		key := keys[l.key]
		if l.key == 0 {
			key = "no known key"
		} else if key == "" {
			key = "key " + strconv.FormatInt(l.key, 10)
		}
		page.Rows = append(page.Rows, view.StatsRow{Project: projects[l.project], Key: key, Category: strings.ReplaceAll(l.category.String(), "_", " "),
			Outcome: strings.ReplaceAll(l.kind.String(), "_", " "), Reason: strings.ReplaceAll(l.reason, "_", " "), Count: n})
	}
	sort.Slice(page.Rows, func(i, j int) bool {
		a, b := page.Rows[i], page.Rows[j]
		if a.Count != b.Count {
			return a.Count > b.Count
		}
		return a.Project+a.Category+a.Outcome+a.Reason+a.Key < b.Project+b.Category+b.Outcome+b.Reason+b.Key
	})
	page.Categories = []view.Choice{{Label: "Everything but bytes"}}
	for name := range categories {
		page.Categories = append(page.Categories, view.Choice{Value: name, Label: strings.ReplaceAll(name, "_", " "), Current: name == page.Category})
	}
	sort.Slice(page.Categories[1:], func(i, j int) bool { return page.Categories[1+i].Value < page.Categories[1+j].Value })
}

// storage tells how much is kept and how long the disk lasts at the rate of the last week.
func (u *UI) storage(v *visit) (view.Storage, error) {
	s, err := u.Store.StorageUse(v.r.Context())
	if err != nil {
		return view.Storage{}, err
	}
	out := view.Storage{DatabaseBytes: s.DatabaseBytes, EventBytes: s.EventBytes, Days: len(s.ByDay)}
	var last int64
	n := 0
	for _, d := range s.ByDay { // whole days of the last week
		if age := v.base.Now.Sub(d.Day); age > 24*time.Hour && age < 8*24*time.Hour {
			last, n = last+d.Bytes, n+1
		}
	}
	if n > 0 {
		out.PerDay = last / int64(n)
	}
	return out, nil
}
