package scrub

import (
	"encoding/json"
)

// knownContexts are the members of the typed contexts that only a selector that names them
// reaches. Members that are not listed, and those of contexts of other types, are free-form.
// Rule: getsentry/relay relay-event-schema/src/protocol/contexts
var knownContexts = map[string]map[string]mark{
	"device": marks("", `name family model model_id arch battery_level battery_status battery_temperature orientation
		manufacturer brand screen_resolution screen_height_pixels screen_width_pixels screen_density screen_dpi online
		charging low_memory simulator memory_size free_memory usable_memory storage_size free_storage
		external_storage_size external_free_storage boot_time timezone locale processor_count cpu_description
		processor_frequency device_type device_unique_identifier uuid supports_vibration supports_accelerometer
		supports_gyroscope supports_audio supports_location_service type`),
	"os":      marks("", "os name version build kernel_version rooted theme raw_description distribution type"),
	"runtime": marks("", "runtime name version build raw_description type"),
	"browser": marks("", "browser name version type"),
	"app": marks("", `app_identifier app_name app_version app_build app_start_time device_app_hash build_type app_memory
		in_foreground view_names permissions start_type type`),
	"gpu": marks("", `name version id vendor_id vendor_name memory_size api_type multi_threaded_rendering npot_support
		max_texture_size graphics_shader_level supports_draw_call_instancing supports_ray_tracing
		supports_compute_shaders supports_geometry_shaders type`),
	"trace": marks("trace_id span_id parent_span_id", `op status origin exclusive_time client_sample_rate sampled links
		description type`),
	"profile":  marks("profile_id profiler_id", "type"),
	"replay":   marks("replay_id", "type"),
	"response": marks("", "status_code body_size inferred_content_type type"),
	"monitor":  marks("", "id slug config type"),
	"feedback": marks("associated_event_id replay_id", "message contact_email name url source type"),
	"flags":    marks("", "values type"),
	"culture":  marks("", "calendar display_name locale is_24_hour_format timezone type"),
	"cloud_resource": marks("", `cloud.provider cloud.account.id cloud.region cloud.availability_zone cloud.platform
		host.id host.type type`),
	"otel": marks("", "type"),
	"nel":  marks("", "error_type elapsed_time phase sampling_fraction type"),
}

// contexts visits the blocks of facts about the surroundings.
func (w *walker) contexts() {
	list := w.ev.Contexts
	if len(list) == 0 {
		return
	}
	w.member("contexts", kindObject)
	for i := range list {
		c := &list[i]
		known := knownContexts[c.Name]
		if known == nil || c.Data.Get("type") != nil {
			known = w.typed(c.Name, c.Data.Get("type"))
		}
		w.member(c.Name, kindObject)
		if (known == nil || w.s.advanced) && w.drops(c.Name, markYes) {
			c.Data = nil
		}
		for j := range c.Data {
			m, listed := known[c.Data[j].Name]
			if !listed {
				m = markYes
			}
			w.raw(c.Data[j].Name, m, &c.Data[j].Value)
		}
		w.pop()
	}
	w.pop()
}

// typed is what is known about a context that says its type; client_os is one of the type os.
func (w *walker) typed(name string, value []byte) map[string]mark {
	kind := name
	if len(value) > 0 && json.Unmarshal(value, &kind) != nil || kind == "" {
		kind = name
	}
	if kind == "client_os" {
		kind = "os"
	}
	return knownContexts[kind]
}
