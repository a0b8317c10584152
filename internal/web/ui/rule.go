package ui

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery/webhook"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// saveRule stores what the form says: it makes the project's rule or changes the first one. A new
// address gets a new secret, which is shown once.
func (u *UI) saveRule(v *visit, p project.Project) error {
	ctx := v.r.Context()
	form := view.RuleForm{
		URL: strings.TrimSpace(v.r.PostFormValue("url")), Enabled: v.r.PostFormValue("enabled") != "",
		Environment: strings.TrimSpace(v.r.PostFormValue("environment")),
	}
	rules, err := u.Store.Rules(ctx, p.ID)
	if err != nil {
		return err
	}
	rule := alert.NewOrRegressed(p.ID, "New issues and regressions")
	rule.CreatedBy = v.principal.UserID()
	if len(rules) > 0 {
		rule = rules[0]
	}
	if form.URL != "" || len(rule.Actions) == 0 {
		if form.Secret, err = u.aim(&rule, form.URL); err != nil {
			return u.refuseRule(v, p, form, err)
		}
	}
	rule.Enabled = form.Enabled
	rule.Filters = filtersFor(rule.Filters, form.Environment)
	if err := u.Store.PutRule(ctx, &rule); err != nil {
		return u.refuseRule(v, p, form, err)
	}
	if form.Secret == "" {
		v.notify(view.Notice{Text: "Saved."})
		return v.redirect(v.orgPath("/projects/" + p.Slug + "/alerts"))
	}
	form.URL = ""
	return u.drawAlerts(v, http.StatusOK, p, &form)
}

// aim makes a rule post to an address, signed with a new secret.
func (u *UI) aim(rule *alert.Rule, address string) (secret string, err error) {
	if address == "" {
		return "", fault.New(fault.Invalid, "The rule needs an address to post to.")
	}
	settings := webhook.Settings{URL: address, Secret: webhook.NewSecret()}
	action, err := webhook.NewAction(rule.Project, settings, u.Key)
	if err != nil {
		return "", err
	}
	if len(rule.Actions) == 0 {
		rule.Actions = []alert.Action{action}
	} else {
		rule.Actions[0] = action
	}
	return settings.Secret.Reveal(), nil
}

// refuseRule shows the form again with what is wrong; failures of ours are no fault of the form.
func (u *UI) refuseRule(v *visit, p project.Project, form view.RuleForm, err error) error {
	if fault.KindOf(err) != fault.Invalid {
		return err
	}
	form.Problem, form.Secret = fault.Public(err), ""
	return u.drawAlerts(v, http.StatusBadRequest, p, &form)
}

// filtersFor replaces the environment among filters; others, made through the API, stay.
func filtersFor(filters []alert.Filter, environment string) []alert.Filter {
	var list []alert.Filter
	for _, f := range filters {
		if f.Kind != alert.FilterEnvironment {
			list = append(list, f)
		}
	}
	if environment != "" {
		list = append(list, alert.Filter{Kind: alert.FilterEnvironment, Value: environment})
	}
	return list
}

// testRule sends a sample alert through the stored rule and tells how it fared.
func (u *UI) testRule(v *visit, p project.Project) error {
	rules, err := u.Store.Rules(v.r.Context(), p.ID)
	if err != nil {
		return err
	}
	if len(rules) == 0 {
		return fault.New(fault.Invalid, "Save the rule before you test it.")
	}
	res, err := u.Test(v.r.Context(), alert.TestRequest{Project: p.ID, Rule: rules[0].ID})
	switch {
	case err != nil:
		v.notify(view.Notice{Text: "The test was not sent: " + strings.TrimSuffix(fault.Public(err), ".") + ".", Bad: true})
	case res.State == alert.DeliverySent:
		a := attempt(res.Attempt)
		v.notify(view.Notice{Text: "The test arrived: " + a.Status + " after " + a.Took + "."})
	default:
		a := attempt(res.Attempt)
		v.notify(view.Notice{Text: "The test did not arrive: " + a.Status + ". " + a.Error, Bad: true})
	}
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/alerts#log"))
}
