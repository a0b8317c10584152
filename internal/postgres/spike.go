package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// spikeCategories are what spike protection counts.
var spikeCategories = []int16{int16(outcome.Default), int16(outcome.Error), int16(outcome.Security)}

const sqlSpikeHours = `
	with counted as (
		select date_trunc('hour', minute, 'UTC') as hour, sum(quantity) as n from outcomes
		where project_id = @project and minute >= @from and minute < @until and outcome = @accepted and category = any(@categories)
		group by 1)
	select coalesce(c.n, 0)::bigint from generate_series(
		(select min(hour) from counted), @until::timestamptz - interval '1 hour', interval '1 hour') as h(hour)
	left join counted c on c.hour = h.hour order by h.hour`

// MeasureSpikes sets the ceiling of a project whose spike protection is on, from what it accepted in
// the full hours of the week before now, when it is off by more than a tenth.
func (st *Store) MeasureSpikes(ctx context.Context, p int64, now time.Time) (project.Settings, error) {
	until := now.UTC().Truncate(time.Hour)
	rows, _ := st.db.Query(ctx, sqlSpikeHours, pgx.StrictNamedArgs{"project": p, "from": until.Add(-7 * 24 * time.Hour), "until": until,
		"accepted": int16(outcome.Accepted), "categories": spikeCategories})
	hours, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return project.Settings{}, translate(err, "measure the hours of project %d", p)
	}
	ceiling := quota.SpikeCeiling(hours)
	settings, err := st.Settings(ctx, p)
	if err != nil || settings.Spikes == nil {
		return settings, err
	}
	if old := settings.Spikes.HourlyLimit; old == ceiling || ceiling > 0 && old > ceiling*9/10 && old < ceiling*11/10 {
		return settings, nil
	}
	return st.ChangeSettings(ctx, p, func(s *project.Settings) error {
		if s.Spikes != nil {
			s.Spikes.HourlyLimit, s.Spikes.MeasuredAt = ceiling, now.UTC().Truncate(time.Second)
		}
		return nil
	})
}

const sqlProtectedProjects = `select id from projects where deleted_at is null and settings ? 'spikes' order by id`

// ProtectedProjects lists the projects whose spike protection is on.
func (st *Store) ProtectedProjects(ctx context.Context) ([]int64, error) {
	rows, _ := st.db.Query(ctx, sqlProtectedProjects)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return list, translate(err, "list the projects with spike protection")
}
