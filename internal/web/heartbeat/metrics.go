package heartbeat

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// metrics is how the latest heartbeat fared, for a monitor outside.
type metrics struct {
	up, at   prometheus.Gauge
	seconds  *prometheus.GaugeVec // stage
	failures prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		up:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_heartbeat_up", Help: "1 when the latest synthetic event was visible and told in time, 0 when it was not."}),
		at:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_heartbeat_success_timestamp_seconds", Help: "When the latest synthetic event that came through was sent."}),
		seconds:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tocsin_heartbeat_seconds", Help: "How long the latest synthetic event took to be accepted, visible and told."}, []string{"stage"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_heartbeat_failures_total", Help: "Synthetic events that did not come through."}),
	}
	r.MustRegister(m.up, m.at, m.seconds, m.failures)
	m.up.Set(1) // until one failed: a start is no outage
	return m
}

// idle is said when another web service sends the heartbeats.
func (m *metrics) idle() {
	m.up.Set(1)
	m.seconds.Reset()
}

func (m *metrics) beat(h *postgres.Heartbeat) {
	m.seconds.Reset()
	for stage, ms := range map[string]*int32{"accepted": h.AcceptedMS, "visible": h.VisibleMS, "alerted": h.AlertedMS} {
		if ms != nil {
			m.seconds.WithLabelValues(stage).Set(float64(*ms) / 1000)
		}
	}
	if h.Failure != "" {
		m.failures.Inc()
		m.up.Set(0)
		return
	}
	m.up.Set(1)
	m.at.Set(float64(h.SentAt.UnixMilli()) / 1000)
}
