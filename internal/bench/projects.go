package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// spread is the reference load over a number of projects.
type spread struct {
	Projects int     `json:"projects"`
	Drained  float64 `json:"drained_per_second"`
}

// measureSpread loads a fresh installation of n projects, all of them alike. They share the issues
// of the reference load, one each at least: what a new issue costs is another question.
func measureSpread(ctx context.Context, o options, n int) (s spread, err error) {
	s.Projects = n
	in, err := start(ctx, o, "")
	if err != nil {
		return s, err
	}
	defer in.remove()
	to := in.target()
	for i := 1; i < n; i++ {
		from, err := in.addProject(ctx, fmt.Sprintf("bench-%d", i))
		if err != nil {
			return s, err
		}
		to.senders = append(to.senders, from)
	}
	list := bodies(o.size, max(1, o.groups/n), 4, 1)
	if _, err := in.load(ctx, to, list, o.connections, 5*time.Second); err != nil { // the issues come to be
		return s, err
	}
	s.Drained, err = in.load(ctx, to, list, o.connections, time.Duration(o.seconds)*time.Second)
	return s, err
}

// addProject creates a project of the organization and waits for nothing: ingest learns of its key
// at the first event.
func (in *installation) addProject(ctx context.Context, name string) (sender, error) {
	var project struct{ ID, Slug string }
	if err := in.send(ctx, http.MethodPost, in.URL+"/api/0/organizations/"+in.Organization+"/projects/", map[string]string{"name": name, "platform": "python"}, &project); err != nil {
		return sender{}, err
	}
	var keys []struct{ Public string }
	if err := in.get(ctx, in.URL+"/api/0/projects/"+in.Organization+"/"+project.Slug+"/keys/", &keys); err != nil || len(keys) == 0 {
		return sender{}, fmt.Errorf("%d client keys of %s: %w", len(keys), project.Slug, err)
	}
	return sender{project.ID, keys[0].Public}, nil
}
