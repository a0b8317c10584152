package symbol

import (
	"context"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
)

// Diagnosis says of one frame whether it is resolved, else why not and what mends it.
type Diagnosis struct {
	Exception int // index of its exception; -1 for a stack trace of something else
	Stack     string
	Frame     int // index in its stack trace
	AbsPath   string
	Function  string
	Line      int
	Column    int
	DebugID   string // that the event names for the script
	Reason    artifact.Reason
	Detail    string         // what reading the map said
	Near      *artifact.File // uploaded, and closest to what is looked for; nil for none
	Script    *artifact.File // that was found; nil for none
	Map       *artifact.File
	artifact.Remedy
}

// Diagnose says why the frames of an event are as they are, after Refresh. Its text names the
// organization and the project by their slugs.
func (s *Service) Diagnose(ctx context.Context, ev *event.Event, to artifact.Place) ([]Diagnosis, error) {
	w := wanted(ev)
	revision, err := s.store.ArtifactRevision(ctx, ev.Project)
	if err != nil {
		return nil, err
	}
	modules := map[string]*found{}
	if revision != 0 && w.any() {
		if modules, err = s.modules(ctx, ev, &w, revision); err != nil {
			return nil, err
		}
	}
	near, err := s.near(ctx, ev.Project, &w, modules)
	if err != nil {
		return nil, err
	}
	var out []Diagnosis
	for _, st := range stacks(ev) {
		for i := range st.trace.Frames {
			f := &st.trace.Frames[i]
			d := Diagnosis{Exception: st.exception, Stack: st.path, Frame: i, AbsPath: f.AbsPath, Function: f.Function, Line: f.Lineno, Column: f.Colno, DebugID: w.ids[f.AbsPath]}
			c := artifact.Case{AbsPath: f.AbsPath, DebugID: d.DebugID, Release: artifact.Release{Version: ev.Release, Dist: ev.Dist}}
			switch {
			case artifact.IsResolved(f):
				d.Reason = artifact.Mapped
			case !isScript(f, ev.Platform):
				d.Reason = artifact.NotScript
			default:
				m := modules[f.AbsPath]
				if d.Reason, d.Detail = judge(f, m); m != nil {
					d.Script, d.Map = m.module.Script, m.module.Map
				}
				if d.Reason == artifact.NoMap {
					for _, n := range near {
						if name := artifact.Name(f.AbsPath); artifact.Name(n.URL) == name || artifact.Name(n.URL) == name+".map" {
							c.Near = append(c.Near, n)
						}
					}
					d.Reason, d.Near = c.Diagnose()
				}
			}
			d.Remedy = c.Remedy(d.Reason, d.Near, d.Detail, to)
			out = append(out, d)
		}
	}
	return out, nil
}

// near finds what was uploaded under the names of the scripts that nothing was found for.
func (s *Service) near(ctx context.Context, project int64, w *wants, modules map[string]*found) ([]artifact.File, error) {
	var names []string
	for _, p := range w.paths {
		if m := modules[p]; m == nil || m.module.Map == nil && m.module.Script == nil {
			if name := artifact.Name(p); !slices.Contains(names, name) {
				names = append(names, name, name+".map")
			}
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return s.store.ArtifactsByName(ctx, project, names)
}
