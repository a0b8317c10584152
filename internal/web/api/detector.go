package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// detectorKinds are the detectors that each project has, by the last digit of their id; the digits
// before it are the project's.
var detectorKinds = []struct {
	digit string
	kind  alert.DetectorType
	name  string
}{{"1", alert.DetectorError, "Error Monitor"}, {"2", alert.DetectorIssueStream, "Issue Stream"}}

func detectorID(project int64, kind alert.DetectorType) string {
	for _, d := range detectorKinds {
		if d.kind == kind {
			return id(project) + d.digit
		}
	}
	return ""
}

// detectorIDs names the detectors of a project that are of the kinds; of all without any.
func detectorIDs(project int64, kinds []alert.DetectorType) []string {
	if len(kinds) == 0 {
		kinds = []alert.DetectorType{alert.DetectorError, alert.DetectorIssueStream}
	}
	out := []string{}
	for _, k := range kinds {
		out = append(out, detectorID(project, k))
	}
	return out
}

func parseDetector(name string) (project int64, kind alert.DetectorType, ok bool) {
	for _, d := range detectorKinds {
		if digits, found := strings.CutSuffix(name, d.digit); found {
			n, err := strconv.ParseInt(digits, 10, 64)
			return n, d.kind, err == nil && n > 0
		}
	}
	return 0, "", false
}

// detectorOf is a detector of a project.
type detectorOf struct {
	project project.Project
	kind    alert.DetectorType
	name    string
}

// shapeDetectors are detectors with the workflows that are connected to them.
func (s *Service) shapeDetectors(r *request, list []detectorOf) ([]object, error) {
	var projects []int64
	for _, d := range list {
		if !slices.Contains(projects, d.project.ID) {
			projects = append(projects, d.project.ID)
		}
	}
	connected := map[string][]string{}
	if len(projects) > 0 {
		rules, err := s.Store.RulesOf(r.Context(), postgres.RuleQuery{Projects: projects})
		if err != nil {
			return nil, err
		}
		for i := range rules {
			var kinds []alert.DetectorType
			if w := rules[i].Workflow; w != nil {
				kinds = w.Detectors
			}
			for _, name := range detectorIDs(rules[i].Project, kinds) {
				connected[name] = append(connected[name], id(rules[i].ID))
			}
		}
	}
	out := make([]object, len(list))
	for i, d := range list {
		name := detectorID(d.project.ID, d.kind)
		out[i] = object{"id": name, "projectId": id(d.project.ID), "name": d.name, "type": d.kind, "workflowIds": append([]string{}, connected[name]...),
			"owner": nil, "createdBy": nil, "description": nil, "dateCreated": utc(d.project.CreatedAt), "dateUpdated": utc(d.project.CreatedAt), "dataSources": []object{},
			"conditionGroup": object{"id": name, "organizationId": id(r.org()), "logicType": alert.LogicAny, "conditions": []object{}, "actions": []object{}},
			"config":         object{}, "enabled": true, "latestGroup": nil, "alertRuleId": nil, "ruleId": nil}
	}
	return out, nil
}

// detectors answers GET …/detectors/ of the organization and of a project.
func (s *Service) detectors(w http.ResponseWriter, r *request) error {
	projects, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	keep, err := detectorFilter(r.URL.Query().Get("query"))
	if err != nil {
		return err
	}
	ids, down := r.URL.Query()["id"], false
	var by string
	if text := r.URL.Query().Get("sortBy"); text != "" {
		if by, down = strings.CutPrefix(text, "-"); by != "id" && by != "name" && by != "type" && by != "connectedWorkflows" && by != "latestGroup" {
			return fieldError{"sortBy", "It is id, name or type, with - for the greatest first."}
		}
	}
	var list []detectorOf
	for _, p := range projects {
		for _, k := range detectorKinds {
			d := detectorOf{p, k.kind, k.name}
			if keep(d) && (len(ids) == 0 || slices.Contains(ids, detectorID(p.ID, k.kind))) {
				list = append(list, d)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b detectorOf) int {
		if down {
			a, b = b, a
		}
		switch by {
		case "name":
			return strings.Compare(a.name, b.name)
		case "type":
			return strings.Compare(string(a.kind), string(b.kind))
		}
		return cmpDetectors(a, b)
	})
	if list, err = window(s, w, r, list); err != nil {
		return err
	}
	out, err := s.shapeDetectors(r, list)
	if err != nil {
		return err
	}
	return ok(w, out)
}

func cmpDetectors(a, b detectorOf) int {
	x, y := detectorID(a.project.ID, a.kind), detectorID(b.project.ID, b.kind)
	if len(x) != len(y) { // as numbers
		return len(x) - len(y)
	}
	return strings.Compare(x, y)
}

// detectorFilter reads a search for detectors: type:error, name:"*part*" or words of the name.
func detectorFilter(text string) (func(detectorOf) bool, error) {
	parsed, err := search.Parse(text)
	if err != nil {
		return nil, err
	}
	var tests []func(detectorOf) bool
	for _, t := range parsed.Terms {
		var values []string
		for _, v := range t.Values {
			values = append(values, strings.ToLower(strings.ReplaceAll(v.Text, string(search.Wildcard), "")))
		}
		switch {
		case t.Field == search.FieldText, t.Field == search.FieldTag && t.Tag == "name":
			tests = append(tests, func(d detectorOf) bool {
				return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(strings.ToLower(d.name), v) }) != t.Negated
			})
		case t.Field == search.FieldType:
			tests = append(tests, func(d detectorOf) bool { return slices.Contains(values, string(d.kind)) != t.Negated })
		default:
			return nil, fault.New(fault.Invalid, "Detectors are searched by type and name: type:error name:\"*part*\".")
		}
	}
	return func(d detectorOf) bool {
		return !slices.ContainsFunc(tests, func(test func(detectorOf) bool) bool { return !test(d) })
	}, nil
}

// detectorNamed is the detector that the path names.
func (s *Service) detectorNamed(r *request) (detectorOf, error) {
	n, kind, known := parseDetector(r.PathValue("id"))
	if !known {
		return detectorOf{}, errNotFound()
	}
	projects, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return detectorOf{}, err
	}
	for _, p := range projects {
		for _, k := range detectorKinds {
			if p.ID == n && k.kind == kind {
				return detectorOf{p, kind, k.name}, nil
			}
		}
	}
	return detectorOf{}, errNotFound()
}

// detector answers GET …/detectors/{id}/.
func (s *Service) detector(w http.ResponseWriter, r *request) error {
	d, err := s.detectorNamed(r)
	if err != nil {
		return err
	}
	out, err := s.shapeDetectors(r, []detectorOf{d})
	if err != nil {
		return err
	}
	return ok(w, out[0])
}

// detectorBody is a detector as clients send it; only what it is already may be said.
type detectorBody struct {
	Name           *string `json:"name"`
	Type           string  `json:"type"`
	Enabled        *bool   `json:"enabled"`
	ID             idle    `json:"id"`
	ProjectID      idle    `json:"projectId"`
	WorkflowIDs    idle    `json:"workflowIds"`
	Owner          idle    `json:"owner"`
	CreatedBy      idle    `json:"createdBy"`
	Description    idle    `json:"description"`
	DateCreated    idle    `json:"dateCreated"`
	DateUpdated    idle    `json:"dateUpdated"`
	DataSources    idle    `json:"dataSources"`
	DataSource     idle    `json:"dataSource"`
	ConditionGroup idle    `json:"conditionGroup"`
	Config         idle    `json:"config"`
	LatestGroup    idle    `json:"latestGroup"`
	AlertRuleID    idle    `json:"alertRuleId"`
	RuleID         idle    `json:"ruleId"`
}

// whyNotDetected says of the types of detectors elsewhere what there is instead.
var whyNotDetected = map[string]string{
	"metric_issue":             "Metrics are not evaluated by this server: alert on event_frequency_count, or on the number of events of an issue.",
	"uptime_domain_failure":    "Addresses are not watched by this server: report failures of your own checks as events.",
	"monitor_check_in_failure": "Check-ins are not evaluated by this server: what a job reports as an error is an issue.",
}

// createDetector answers POST …/projects/{project}/detectors/, always with a refusal: what a project
// detects is fixed, and what this server cannot evaluate is not stored.
func (s *Service) createDetector(w http.ResponseWriter, r *request) error {
	if _, err := s.projectID(r); err != nil {
		return err
	}
	var in detectorBody
	if err := readCamel(w, r, &in); err != nil {
		return err
	}
	if why, known := whyNotDetected[in.Type]; known {
		return fieldError{"type", why}
	}
	return fieldError{"type", "Each project has its own detectors of the types error and issue_stream; others cannot be made."}
}

// updateDetector answers PUT …/detectors/{id}/: it accepts what the detector is.
func (s *Service) updateDetector(w http.ResponseWriter, r *request) error {
	d, err := s.detectorNamed(r)
	if err != nil {
		return err
	}
	var in detectorBody
	if err := readCamel(w, r, &in); err != nil {
		return err
	}
	switch {
	case in.Name != nil && *in.Name != d.name:
		return fieldError{"name", "The detectors that each project has keep their names."}
	case in.Type != "" && in.Type != string(d.kind):
		return fieldError{"type", "The type of a detector does not change."}
	case in.Enabled != nil && !*in.Enabled:
		return fieldError{"enabled", "Errors are always detected: disable the project's keys, or filter events."}
	case given(in.Owner), given(in.Description):
		return fieldError{"owner", "The detectors that each project has take no owner and no description."}
	}
	r.audit.Event = "-" // nothing changed
	return s.detector(w, r)
}

// deleteDetector answers DELETE …/detectors/{id}/ with a refusal.
func (s *Service) deleteDetector(_ http.ResponseWriter, r *request) error {
	if _, err := s.detectorNamed(r); err != nil {
		return err
	}
	return fault.New(fault.Invalid, "The detectors that each project has cannot be removed.")
}
