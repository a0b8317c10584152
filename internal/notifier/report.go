package notifier

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const (
	reportEvery = time.Minute
	// lateReport is how long after its time a report is still sent; later nobody wants it.
	lateReport    = 24 * time.Hour
	reportsAtOnce = 50
)

// report mails what happened in the week to those who have not got it, each once.
func (s *Service) report(ctx context.Context) error {
	now := time.Now()
	week := s.reportTime.Last(now)
	if now.Sub(week) > lateReport {
		return nil
	}
	weeks := map[int64][]alert.ProjectWeek{} // of an organization, counted once for all its members
	for {
		due, err := s.store.DueReports(ctx, week, reportsAtOnce)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return s.store.DropReports(ctx, week)
		}
		for i := range due {
			if err := s.reportTo(ctx, &due[i], week, weeks); err != nil {
				return err
			}
		}
	}
}

func (s *Service) reportTo(ctx context.Context, r *postgres.DueReport, week time.Time, weeks map[int64][]alert.ProjectWeek) error {
	all, counted := weeks[r.OrganizationID]
	if !counted {
		var err error
		if all, err = s.store.ProjectWeeks(ctx, r.OrganizationID, week); err != nil {
			return err
		}
		weeks[r.OrganizationID] = all
	}
	report := alert.Report{From: week.AddDate(0, 0, -7), To: week}
	for i := range all {
		w := &all[i]
		if w.Silent() {
			continue
		}
		wanted, err := s.store.WantsMail(ctx, r.ID, w.Project, alert.TopicReports)
		if err != nil {
			return err
		}
		switch {
		case !wanted:
		case len(report.Projects) == alert.MaxReportProjects:
			report.More++
		default:
			report.Projects = append(report.Projects, *w)
		}
	}
	var jobs []alert.Job
	if len(report.Projects) > 0 {
		first := &report.Projects[0] // the log of deliveries is kept by project
		seed := alert.NoticeSeed{Topic: alert.TopicReports, Report: &report, Change: issue.Change{ID: postgres.NewID(), Project: first.Project,
			ProjectSlug: first.Slug, ProjectName: r.OrgName, Org: r.Org, Level: "info", At: week}}
		notice, err := json.Marshal(seed)
		if err != nil {
			return fault.Wrap(err, fault.Internal, "encode a weekly report")
		}
		jobs = append(jobs, personal(alert.Job{Notice: notice, Delivery: alert.Delivery{Project: first.Project, Change: -seed.Change.ID, Kind: alert.NoticeReport}}, r.Recipient))
	}
	taken, err := s.store.TakeReport(ctx, r, week, jobs)
	if err == nil && taken && len(jobs) > 0 {
		s.metrics.queued.Inc()
		s.nudge()
	}
	return err
}
