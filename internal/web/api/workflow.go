package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
	"github.com/tocsin-dev/tocsin/internal/web/alertset"
)

// workflowRoutes are those of the newer alert model, over the rules that …/rules/ shows as well.
func (s *Service) workflowRoutes() []route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const workflows, detectors = "/api/0/organizations/{org}/workflows/", "/api/0/organizations/{org}/detectors/"
	const ofProject = "/api/0/organizations/{org}/projects/{project}/detectors/"
	return []route{
		{get, workflows, readAlertsOf, false, s.workflows},
		{post, workflows, writeAlertsOf, false, s.createWorkflow},
		{put, workflows, writeAlertsOf, false, s.switchWorkflows},
		{del, workflows, writeAlertsOf, false, s.deleteWorkflows},
		{get, workflows + "{id}/", readAlertsOf, false, s.workflow},
		{put, workflows + "{id}/", writeAlertsOf, false, s.updateWorkflow},
		{del, workflows + "{id}/", writeAlertsOf, false, s.deleteWorkflow},
		{get, detectors, readAlertsOf, false, s.detectors},
		{get, detectors + "{id}/", readAlertsOf, false, s.detector},
		{put, detectors + "{id}/", writeAlertsOf, false, s.updateDetector},
		{del, detectors + "{id}/", writeAlertsOf, false, s.deleteDetector},
		{get, ofProject, readAlertsOf, false, s.detectors},
		{post, ofProject, writeAlertsOf, false, s.createDetector},
	}
}

// workflowQuery reads which workflows are meant. all is false when the parameters name none.
func (s *Service) workflowQuery(r *request) (q postgres.RuleQuery, named bool, err error) {
	projects, err := s.selectedProjects(r)
	if err != nil {
		return q, false, err
	}
	q.Projects = projectIDs(projects)
	values := r.URL.Query()
	if ids := values["id"]; len(ids) > 0 {
		if q.IDs, err = numbers(ids); err != nil {
			return q, false, err
		}
		if len(q.IDs) > postgres.MaxChanged {
			return q, false, fault.New(fault.TooLarge, "at most %d workflows are named at once", postgres.MaxChanged)
		}
	}
	if q.Names, err = workflowNames(values.Get("query")); err != nil {
		return q, false, err
	}
	return q, len(q.IDs) > 0 || len(q.Names) > 0 || values.Has("project") || values.Has("projectSlug"), nil
}

// workflowNames reads a search for workflows: name:"*part*", or words of the name.
func workflowNames(text string) (names []search.Value, err error) {
	parsed, err := search.Parse(text)
	if err != nil {
		return nil, err
	}
	for _, t := range parsed.Terms {
		switch {
		case t.Field == search.FieldText:
			names = append(names, search.Value{Text: string(search.Wildcard) + t.Values[0].Text + string(search.Wildcard)})
		case t.Field == search.FieldTag && t.Tag == "name" && !t.Negated && len(t.Values) == 1:
			names = append(names, t.Values[0])
		default:
			return nil, fault.New(fault.Invalid, "Alerts are searched by name alone: name:\"*part*\".")
		}
	}
	return names, nil
}

// ruleSorts are the orders by the words of the API.
var ruleSorts = map[string]postgres.RuleSort{"id": postgres.RulesByID, "name": postgres.RulesByName, "dateCreated": postgres.RulesByCreated,
	"dateUpdated": postgres.RulesByUpdated, "lastTriggered": postgres.RulesByFired}

// workflows answers GET …/workflows/.
func (s *Service) workflows(w http.ResponseWriter, r *request) error {
	q, _, err := s.workflowQuery(r)
	if err != nil {
		return err
	}
	if text := r.URL.Query().Get("sortBy"); text != "" {
		word, down := strings.CutPrefix(text, "-")
		sort, known := ruleSorts[word]
		if !known {
			return fieldError{"sortBy", "It is id, name, dateCreated, dateUpdated or lastTriggered, with - for the greatest first."}
		}
		q.Sort, q.Down = sort, down
	}
	if q.Limit, err = perPage(r); err != nil {
		return err
	}
	if q.Skip, err = offset(r.URL.Query().Get("cursor")); err != nil {
		return err
	}
	list, err := s.Store.RulesOf(r.Context(), q)
	if err != nil {
		return err
	}
	s.setOffsets(w, r, q.Skip, q.Limit, len(list) > q.Limit)
	return s.answerWorkflows(w, r, list[:min(len(list), q.Limit)])
}

func (s *Service) answerWorkflows(w http.ResponseWriter, r *request, list []alert.Rule) error {
	destinations, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i := range list {
		out[i] = shapeWorkflow(r.org(), &list[i], destinations)
	}
	return ok(w, out)
}

// workflowOf is the rule that the path names.
func (s *Service) workflowOf(r *request) (alert.Rule, error) {
	n, err := pathID(r)
	if err != nil {
		return alert.Rule{}, err
	}
	projects, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return alert.Rule{}, err
	}
	list, err := s.Store.RulesOf(r.Context(), postgres.RuleQuery{Projects: projectIDs(projects), IDs: []int64{n}})
	if err != nil || len(list) != 1 {
		return alert.Rule{}, orElse(err, errNotFound())
	}
	return list[0], nil
}

// orElse is an error, or another one when there is none.
func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// workflow answers GET …/workflows/{id}/.
func (s *Service) workflow(w http.ResponseWriter, r *request) error {
	rule, err := s.workflowOf(r)
	if err != nil {
		return err
	}
	return s.answerWorkflow(w, r, http.StatusOK, &rule)
}

func (s *Service) answerWorkflow(w http.ResponseWriter, r *request, status int, rule *alert.Rule) error {
	destinations, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, shapeWorkflow(r.org(), rule, destinations))
}

// createWorkflow answers POST …/workflows/: it makes a rule.
func (s *Service) createWorkflow(w http.ResponseWriter, r *request) error {
	in, err := readWorkflow(w, r)
	if err != nil {
		return err
	}
	rule := alert.Rule{Enabled: true, CreatedBy: r.who.UserID(), Frequency: defaultFrequency}
	return s.putWorkflow(w, r, in, &rule, http.StatusCreated)
}

// updateWorkflow answers PUT …/workflows/{id}/: what is there is replaced; quiet hours, escalation and
// snooze, which workflows do not have, stay.
func (s *Service) updateWorkflow(w http.ResponseWriter, r *request) error {
	rule, err := s.workflowOf(r)
	if err != nil {
		return err
	}
	in, err := readWorkflow(w, r)
	if err != nil {
		return err
	}
	return s.putWorkflow(w, r, in, &rule, http.StatusOK)
}

func (s *Service) putWorkflow(w http.ResponseWriter, r *request, in *workflowBody, rule *alert.Rule, status int) error {
	if err := s.connect(r, in, rule); err != nil {
		return err
	}
	if err := in.apply(rule); err != nil {
		return err
	}
	destinations, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return err
	}
	if err := in.say(rule, destinations); err != nil {
		return err
	}
	if err := alertset.Check(r.Context(), s.Store, rule); err != nil {
		return err
	}
	if err := s.Store.PutRule(r.Context(), rule); err != nil {
		return orNotFound(err)
	}
	saved, err := s.Store.Rule(r.Context(), rule.Project, rule.ID)
	if err != nil {
		return err
	}
	r.audit.Target = rule.Name
	return httpx.JSON(w, status, shapeWorkflow(r.org(), &saved, destinations))
}

// connect reads the detectors of a workflow, which say the project of the rule.
func (s *Service) connect(r *request, in *workflowBody, rule *alert.Rule) error {
	if in.DetectorIDs == nil && rule.ID != 0 {
		return nil
	}
	if in.DetectorIDs == nil || len(*in.DetectorIDs) == 0 {
		return fieldError{"detectorIds", "Connect the alert to a detector of a project; without one it would never fire."}
	}
	projects, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return err
	}
	in.detectors = []alert.DetectorType{}
	of := rule.Project
	for _, name := range *in.DetectorIDs {
		n, kind, known := parseDetector(name)
		if !known || !slices.ContainsFunc(projects, func(p project.Project) bool { return p.ID == n }) {
			return fieldError{"detectorIds", "There is no detector " + cut(name) + "."}
		}
		switch {
		case of == 0:
			of = n
		case of != n && rule.ID != 0:
			return fieldError{"detectorIds", "An alert stays with its project here: make another one for the other project."}
		case of != n:
			return fieldError{"detectorIds", "An alert is about one project here: make one for each project."}
		}
		if !slices.Contains(in.detectors, kind) {
			in.detectors = append(in.detectors, kind)
		}
	}
	rule.Project = of
	return nil
}

// switchWorkflows answers PUT …/workflows/: those that the parameters name are switched on or off.
func (s *Service) switchWorkflows(w http.ResponseWriter, r *request) error {
	var in struct {
		Enabled *bool `json:"enabled"`
	}
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	if in.Enabled == nil {
		return fieldError{"enabled", "This field is required."}
	}
	list, err := s.namedWorkflows(r)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Enabled = *in.Enabled
		if err := s.Store.PutRule(r.Context(), &list[i]); err != nil && fault.KindOf(err) != fault.Unknown { // removed meanwhile
			return err
		}
	}
	return s.answerWorkflows(w, r, list)
}

// deleteWorkflows answers DELETE …/workflows/ of those that the parameters name.
func (s *Service) deleteWorkflows(w http.ResponseWriter, r *request) error {
	list, err := s.namedWorkflows(r)
	if err != nil {
		return err
	}
	for i := range list {
		if err := s.Store.DeleteRule(r.Context(), list[i].Project, list[i].ID); err != nil && fault.KindOf(err) != fault.Unknown {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// namedWorkflows are what a change of many is about: it must say which.
func (s *Service) namedWorkflows(r *request) ([]alert.Rule, error) {
	q, named, err := s.workflowQuery(r)
	if err != nil {
		return nil, err
	}
	if !named {
		return nil, fault.New(fault.Invalid, "At least one of id, query, project and projectSlug must be given.")
	}
	q.Limit = postgres.MaxChanged
	list, err := s.Store.RulesOf(r.Context(), q)
	if err == nil && len(list) > q.Limit {
		err = fault.New(fault.TooLarge, "at most %d workflows are changed at once", q.Limit)
	}
	var names []string
	for i := range list[:min(len(list), 10)] {
		names = append(names, list[i].Name)
	}
	r.audit.Target = strings.Join(names, ", ")
	return list, err
}

// deleteWorkflow answers DELETE …/workflows/{id}/.
func (s *Service) deleteWorkflow(w http.ResponseWriter, r *request) error {
	rule, err := s.workflowOf(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteRule(r.Context(), rule.Project, rule.ID); err != nil {
		return orNotFound(err)
	}
	r.audit.Target = rule.Name
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// workflowBody is a workflow as clients send it; members that it cannot set are left alone.
type workflowBody struct {
	Name        *string   `json:"name"`
	Enabled     *bool     `json:"enabled"`
	Environment *string   `json:"environment"`
	Owner       *string   `json:"owner"`
	DetectorIDs *[]string `json:"detectorIds"`
	Config      *struct {
		Frequency *int64 `json:"frequency"` // minutes
	} `json:"config"`
	Triggers      *groupBody   `json:"triggers"`
	ActionFilters *[]groupBody `json:"actionFilters"`

	ID             idle `json:"id"`
	OrganizationID idle `json:"organizationId"`
	CreatedBy      idle `json:"createdBy"`
	DateCreated    idle `json:"dateCreated"`
	DateUpdated    idle `json:"dateUpdated"`
	LastTriggered  idle `json:"lastTriggered"`

	detectors []alert.DetectorType
}

type groupBody struct {
	LogicType  alert.Logic `json:"logicType"`
	Conditions []struct {
		alert.WorkflowCondition
		ConditionResult *bool `json:"conditionResult"`
		ID              idle  `json:"id"`
	} `json:"conditions"`
	Actions []struct {
		alert.WorkflowAction
		Status string `json:"status"`
		ID     idle   `json:"id"`
	} `json:"actions"`

	ID             idle `json:"id"`
	OrganizationID idle `json:"organizationId"`
}

// group is the body as what a rule keeps of it.
func (b *groupBody) group(field string) (alert.WorkflowGroup, error) {
	g := alert.WorkflowGroup{LogicType: b.LogicType, Conditions: []alert.WorkflowCondition{}}
	for _, c := range b.Conditions {
		if c.ConditionResult != nil && !*c.ConditionResult {
			return g, fieldError{field, "conditionResult: it is true; combine conditions by the logicType none to turn them round."}
		}
		g.Conditions = append(g.Conditions, c.WorkflowCondition)
	}
	for _, a := range b.Actions {
		if a.Status != "" && a.Status != "active" {
			return g, fieldError{field, "status: an action is active; leave out those that are not to act."}
		}
		g.Actions = append(g.Actions, a.WorkflowAction)
	}
	return g, nil
}

// apply sets what is not about conditions and actions.
func (b *workflowBody) apply(rule *alert.Rule) error {
	switch {
	case b.Name != nil:
		rule.Name = strings.TrimSpace(*b.Name)
	case rule.ID == 0:
		return fieldError{"name", "This field is required."}
	}
	if rule.Name == "" || len(rule.Name) > 256 {
		return fieldError{"name", "Ensure this field has 1 to 256 characters."}
	}
	set(&rule.Enabled, b.Enabled)
	rule.Environment, rule.Owner = "", ""
	set(&rule.Environment, b.Environment)
	set(&rule.Owner, b.Owner)
	if b.Config != nil && b.Config.Frequency != nil {
		if f := *b.Config.Frequency; f != 0 && (f < 5 || f > 43200) {
			return fieldError{"config", "frequency: it is 0, or 5 to 43200 minutes."}
		}
		rule.Frequency = time.Duration(*b.Config.Frequency) * time.Minute
	}
	return nil
}

// say sets the rule's conditions, filters and actions.
func (b *workflowBody) say(rule *alert.Rule, destinations []alert.Destination) error {
	if b.Triggers == nil && b.ActionFilters == nil && rule.ID != 0 {
		if b.detectors != nil {
			whole := rule.AsWorkflow(destinations)
			whole.Detectors, rule.Workflow = b.detectors, &whole
		}
		return nil
	}
	w := alert.Workflow{Detectors: b.detectors, Triggers: alert.WorkflowGroup{Conditions: []alert.WorkflowCondition{}}}
	if w.Detectors == nil && rule.Workflow != nil {
		w.Detectors = rule.Workflow.Detectors
	}
	var err error
	if b.Triggers != nil {
		if w.Triggers, err = b.Triggers.group("triggers"); err != nil {
			return err
		}
	}
	if b.ActionFilters == nil {
		return fieldError{"actionFilters", "This field is required."}
	}
	for i := range *b.ActionFilters {
		g, err := (*b.ActionFilters)[i].group("actionFilters")
		if err != nil {
			return err
		}
		w.ActionFilters = append(w.ActionFilters, g)
	}
	if err := rule.ReadWorkflow(&w, destinations); err != nil {
		var at *alert.WorkflowFault
		if asFault(err, &at) {
			return fieldError{at.Field, at.Text}
		}
		return err
	}
	rule.Workflow = &w
	return nil
}

// shapeWorkflow is a rule in the newer shape. Conditions are numbered in their order, by which clients
// sort them.
func shapeWorkflow(org int64, rule *alert.Rule, destinations []alert.Destination) object {
	form := rule.AsWorkflow(destinations)
	n := 0
	next := func() string { n++; return id(int64(n)) }
	group := func(g *alert.WorkflowGroup) object {
		conditions, actions := []object{}, []object{}
		for _, c := range g.Conditions {
			conditions = append(conditions, object{"id": next(), "type": c.Type, "comparison": orJSON(c.Comparison, "true"), "conditionResult": true})
		}
		for _, a := range g.Actions {
			actions = append(actions, object{"id": next(), "type": a.Type, "integrationId": a.IntegrationID, "data": orJSON(a.Data, "{}"), "config": orJSON(a.Config, "{}"), "status": "active"})
		}
		return object{"id": id(rule.ID), "organizationId": id(org), "logicType": g.LogicType, "conditions": conditions, "actions": actions}
	}
	triggers, filters := group(&form.Triggers), []object{}
	for i := range form.ActionFilters {
		filters = append(filters, group(&form.ActionFilters[i]))
	}
	return object{"id": id(rule.ID), "name": rule.Name, "organizationId": id(org), "createdBy": maybeID(rule.CreatedBy), "dateCreated": utc(rule.CreatedAt), "dateUpdated": utc(rule.UpdatedAt),
		"triggers": triggers, "actionFilters": filters, "environment": maybe(rule.Environment), "config": object{"frequency": int64(rule.Frequency / time.Minute)},
		"detectorIds": detectorIDs(rule.Project, form.Detectors), "enabled": rule.Enabled, "lastTriggered": maybeTime(rule.LastFiredAt), "owner": maybe(rule.Owner)}
}

func orJSON(v json.RawMessage, other string) json.RawMessage {
	if len(v) == 0 {
		return json.RawMessage(other)
	}
	return v
}
