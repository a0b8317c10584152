package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/filter"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

// projectBody is what may be changed of a project.
// Rule: getsentry/sentry src/sentry/core/endpoints/project_details.py
type projectBody struct {
	Name                 *string                    `json:"name"`
	Slug                 *string                    `json:"slug"`
	Platform             *string                    `json:"platform"`
	ResolveAge           *int64                     `json:"resolveAge"` // hours; 0: never
	AllowedDomains       *[]string                  `json:"allowedDomains"`
	DataScrubber         *bool                      `json:"dataScrubber"`
	DataScrubberDefaults *bool                      `json:"dataScrubberDefaults"`
	SensitiveFields      *[]string                  `json:"sensitiveFields"`
	SafeFields           *[]string                  `json:"safeFields"`
	ScrubIPAddresses     *bool                      `json:"scrubIPAddresses"`
	RelayPiiConfig       json.RawMessage            `json:"relayPiiConfig"` // a text of JSON, or null
	Options              map[string]json.RawMessage `json:"options"`
	DigestsMinDelay      *int64                     `json:"digestsMinDelay"` // seconds
	DigestsMaxDelay      *int64                     `json:"digestsMaxDelay"` // seconds
	groupingBody
}

// checkDigests refuses delays of people's mail that are not those of this server, which would be
// forgotten.
func (b *projectBody) checkDigests() error {
	for _, d := range []struct {
		field string
		sent  *int64
		is    time.Duration
	}{{"digestsMinDelay", b.DigestsMinDelay, alert.PersonalNoise.DigestMin}, {"digestsMaxDelay", b.DigestsMaxDelay, alert.PersonalNoise.DigestMax}} {
		if is := int64(d.is / time.Second); d.sent != nil && *d.sent != is {
			return fieldError{d.field, fmt.Sprintf("Mail to people is digested with a delay of %d seconds on this server; destinations have delays of their own: digestMinSeconds and digestMaxSeconds.", is)}
		}
	}
	return nil
}

// listOptions are the options that are lists of filter entries, one on each line.
var listOptions = []struct {
	name string
	list func(*filter.Settings) *[]string
}{
	{"filters:blacklisted_ips", func(s *filter.Settings) *[]string { return &s.ClientIPs.Blocked }},
	{"filters:releases", func(s *filter.Settings) *[]string { return &s.Releases.Releases }},
	{"filters:error_messages", func(s *filter.Settings) *[]string { return &s.ErrorMessages.Patterns }},
}

// maxOrigins bounds the list of allowed domains.
const maxOrigins = 200

// foreignSettings are members that clients set on other servers.
// Rule: getsentry/sentry src/sentry/core/endpoints/project_details.py (ProjectAdminSerializer)
var foreignSettings = []string{"platform", "subjectPrefix", "subjectTemplate", "securityToken", "securityTokenHeader", "verifySSL",
	"symbolSources", "team", "copy_from_project", "secondaryGroupingExpiry", "secondaryGroupingConfig", "groupingConfig", "groupingEnhancements", "fingerprintingRules"}

// updateProject answers PUT /api/0/projects/{org}/{project}/.
func (s *Service) updateProject(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var b projectBody
	shape, err := s.projectDetail(r, p)
	if err != nil {
		return err
	}
	if err := readEcho(w, r, &b, shape, foreignSettings...); err != nil {
		return err
	}
	if err := b.checkDigests(); err != nil {
		return err
	}
	if err := s.describeProject(r, p, b.Slug, b.Name, b.Platform); err != nil {
		return err
	}
	if _, err := s.Store.ChangeSettings(r.Context(), p.ID, b.apply); err != nil {
		return err
	}
	if p, err = s.Store.Project(r.Context(), r.org(), id(p.ID)); err != nil {
		return err
	}
	if shape, err = s.projectDetail(r, p); err != nil {
		return err
	}
	return ok(w, shape)
}

// describeProject sets a project's slug, name and platform; nil leaves one as it is.
func (s *Service) describeProject(r *request, p project.Project, slug, name, platform *string) error {
	before := p
	set(&p.Slug, slug)
	set(&p.Name, name)
	set(&p.Platform, platform)
	switch p.Name = strings.TrimSpace(p.Name); {
	case p.Slug == before.Slug && p.Name == before.Name && p.Platform == before.Platform:
		return nil
	case p.Slug != before.Slug && account.CheckSlug(p.Slug) != nil:
		return fieldError{"slug", fault.Public(account.CheckSlug(p.Slug))}
	case p.Name == "" || utf8.RuneCountInString(p.Name) > 50:
		return fieldError{"name", "Give a name of 1 to 50 characters."}
	case len(p.Platform) > 64:
		return fieldError{"platform", "Ensure this field has no more than 64 characters."}
	}
	err := s.Store.ChangeProject(r.Context(), r.org(), p.ID, p.Slug, p.Name, p.Platform)
	if fault.KindOf(err) == fault.Conflict {
		return fieldError{"slug", "Another project is already using that slug"}
	}
	return err
}

// maxResolveAge is the most hours without an event after which an issue is resolved: ten years.
const maxResolveAge = 10 * 365 * 24

// apply sets what the body says.
func (b *projectBody) apply(s *project.Settings) error {
	if b.ResolveAge != nil {
		if *b.ResolveAge < 0 || *b.ResolveAge > maxResolveAge {
			return fieldError{"resolveAge", "Give hours from 0, which is never, to 87600."}
		}
		s.ResolveAge = *b.ResolveAge
	}
	if b.AllowedDomains != nil {
		if len(*b.AllowedDomains) > maxOrigins {
			return fieldError{"allowedDomains", "Too many."}
		}
		if s.AllowedOrigins = *b.AllowedDomains; slices.Contains(s.AllowedOrigins, "*") {
			s.AllowedOrigins = nil
		}
	}
	if err := b.applySpikes(s); err != nil {
		return err
	}
	if err := b.applyScrubbing(s); err != nil {
		return err
	}
	if err := b.groupingBody.apply(s, time.Now()); err != nil {
		return err
	}
	return b.applyFilters(s)
}

// spikesOff is the option that switches spike protection off.
const spikesOff = "quotas:spike-protection-disabled"

// applySpikes switches spike protection; its ceiling is measured within the hour.
func (b *projectBody) applySpikes(s *project.Settings) error {
	value, given := b.Options[spikesOff]
	if !given {
		return nil
	}
	var off bool
	if err := json.Unmarshal(value, &off); err != nil {
		return fieldError{spikesOff, "Not a valid boolean."}
	}
	switch {
	case off:
		s.Spikes = nil
	case s.Spikes == nil:
		s.Spikes = &project.SpikeProtection{}
	}
	return nil
}

func (b *projectBody) applyScrubbing(s *project.Settings) error {
	if b.DataScrubber == nil && b.DataScrubberDefaults == nil && b.SensitiveFields == nil && b.SafeFields == nil && b.ScrubIPAddresses == nil && b.RelayPiiConfig == nil {
		return nil
	}
	c, err := scrub.Read(s.Scrubbing)
	if err != nil {
		return err
	}
	set(&c.ScrubData, b.DataScrubber)
	set(&c.ScrubDefaults, b.DataScrubberDefaults)
	set(&c.ScrubIPAddresses, b.ScrubIPAddresses)
	set(&c.SensitiveFields, b.SensitiveFields)
	set(&c.ExcludeFields, b.SafeFields)
	if b.RelayPiiConfig != nil {
		if c.PIIConfig, err = readRules(b.RelayPiiConfig); err != nil {
			return err
		}
	}
	if _, err := scrub.Compile(c); err != nil {
		return b.scrubbingField(err)
	}
	s.Scrubbing, err = json.Marshal(c)
	return err
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// readRules reads advanced rules, which clients send as a text.
func readRules(b json.RawMessage) (json.RawMessage, error) {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return nil, fieldError{"relayPiiConfig", "Not a valid string."}
	}
	if text == nil || strings.TrimSpace(*text) == "" {
		return nil, nil
	}
	if !json.Valid([]byte(*text)) {
		return nil, fieldError{"relayPiiConfig", "Not valid JSON."}
	}
	return json.RawMessage(*text), nil
}

// scrubbingField answers scrubbing that cannot be used as an error of the field that is at fault.
func (b *projectBody) scrubbingField(err error) error {
	text := fault.Public(err)
	switch {
	case fault.KindOf(err) != fault.Invalid:
		return err
	case strings.HasPrefix(text, "sensitiveFields"):
		return fieldError{"sensitiveFields", text}
	case strings.HasPrefix(text, "excludeFields"):
		return fieldError{"safeFields", text}
	case b.RelayPiiConfig != nil:
		return fieldError{"relayPiiConfig", text}
	}
	return fieldError{"sensitiveFields", text}
}

func (b *projectBody) applyFilters(s *project.Settings) error {
	changed := false
	f, err := filter.Read(s.Filters)
	if err != nil {
		return err
	}
	for _, o := range listOptions {
		value, given := b.Options[o.name]
		if !given {
			continue
		}
		var text *string
		if err := json.Unmarshal(value, &text); err != nil {
			return fieldError{o.name, "Not a valid string."}
		}
		changed = true
		*o.list(&f) = nil
		if text != nil {
			*o.list(&f) = lines(*text)
		}
		if _, err := filter.Compile(f); err != nil {
			return asField(o.name, err)
		}
	}
	if !changed {
		return nil
	}
	s.Filters, err = json.Marshal(f)
	return err
}

// lines are the lines of a text that are not blank.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// settingsShape is the part of a project's answer that is about what it drops and removes.
func settingsShape(p project.Project) (object, error) {
	f, err := filter.Read(p.Settings.Filters)
	if err != nil {
		return nil, err
	}
	c, err := scrub.Read(p.Settings.Scrubbing)
	if err != nil {
		return nil, err
	}
	g, err := grouping.ReadSettings(p.Settings.Grouping)
	if err != nil {
		return nil, err
	}
	options := object{spikesOff: p.Settings.Spikes == nil}
	for _, o := range listOptions {
		options[o.name] = strings.Join(*o.list(&f), "\n")
	}
	return object{
		"groupingConfig": g.Version(), "groupingEnhancements": g.Enhancements, "derivedGroupingEnhancements": "", "fingerprintingRules": g.Fingerprints,
		"secondaryGroupingConfig": maybe(g.Secondary), "secondaryGroupingExpiry": expiry(g),
		"options": options, "dataScrubber": c.ScrubData, "dataScrubberDefaults": c.ScrubDefaults, "scrubIPAddresses": c.ScrubIPAddresses,
		"sensitiveFields": append([]string{}, c.SensitiveFields...), "safeFields": append([]string{}, c.ExcludeFields...),
		"relayPiiConfig": maybe(string(c.PIIConfig)),
	}, nil
}
