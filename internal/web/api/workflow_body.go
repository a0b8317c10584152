package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// snakes are the members of workflows and detectors that some clients write with underscores.
var snakes = map[string]string{
	"detector_ids": "detectorIds", "action_filters": "actionFilters", "logic_type": "logicType", "condition_result": "conditionResult", "integration_id": "integrationId",
	"target_type": "targetType", "target_identifier": "targetIdentifier", "target_display": "targetDisplay", "fallthrough_type": "fallthroughType",
	"comparison_type": "comparisonType", "comparison_interval": "comparisonInterval", "age_comparison": "ageComparison", "release_age_type": "releaseAgeType",
	"organization_id": "organizationId", "created_by": "createdBy", "date_created": "dateCreated", "date_updated": "dateUpdated", "last_triggered": "lastTriggered",
	"workflow_ids": "workflowIds", "project_id": "projectId", "data_sources": "dataSources", "data_source": "dataSource", "condition_group": "conditionGroup",
	"sentry_app_identifier": "sentryAppIdentifier",
	// Of notification actions.
	"trigger_type": "triggerType", "service_type": "serviceType", "sentry_app_id": "sentryAppId",
}

// maxNesting bounds how deep documents go.
const maxNesting = 32

// camel renames the members of a document that snakes has. It reports documents that are too deep.
func camel(v any, depth int) (any, bool) {
	if depth > maxNesting {
		return nil, false
	}
	deep := true
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			if known, ok := snakes[name]; ok {
				name = known
			}
			var fine bool
			out[name], fine = camel(inner, depth+1)
			deep = deep && fine
		}
		return out, deep
	case []any:
		for i := range v {
			var fine bool
			v[i], fine = camel(v[i], depth+1)
			deep = deep && fine
		}
	}
	return v, deep
}

// readCamel is readBody for clients that write names with underscores too.
func readCamel(w http.ResponseWriter, r *request, into any) error {
	var raw json.RawMessage
	if err := readBody(w, r, &raw); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // as they were written
	var v any
	if err := d.Decode(&v); err != nil {
		return fault.Wrap(err, fault.Invalid, "JSON parse error")
	}
	v, fine := camel(v, 0)
	text, err := json.Marshal(v)
	if err != nil || !fine {
		return fault.New(fault.Invalid, "JSON parse error - too deep")
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	return memberError(strict.Decode(into))
}

// memberError names the member that cannot be read.
func memberError(err error) error {
	if err == nil {
		return nil
	}
	if name, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return fieldError{strings.Trim(name, `"`), "Unknown field."}
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		return fieldError{mistyped.Field, "Not a valid value."}
	}
	return fault.Wrap(err, fault.Invalid, "JSON parse error")
}

func readWorkflow(w http.ResponseWriter, r *request) (*workflowBody, error) {
	in := new(workflowBody)
	return in, readCamel(w, r, in)
}

func asFault(err error, into **alert.WorkflowFault) bool { return errors.As(err, into) }
