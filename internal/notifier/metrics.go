package notifier

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// metrics is what the notifier counts. Labels are channels and states, never destinations.
type metrics struct {
	queued   prometheus.Counter
	finished *prometheus.CounterVec   // channel, state
	tries    *prometheus.HistogramVec // channel, result; seconds
	latency  *prometheus.HistogramVec // channel; seconds from queued to sent
	waiting  prometheus.Gauge
	lag      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		queued: prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_deliveries_queued_total",
			Help: "Deliveries queued, redeliveries included."}),
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_deliveries_finished_total",
			Help: "Deliveries that were sent or given up."}, []string{"channel", "state"}),
		tries: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tocsin_delivery_attempt_seconds",
			Help: "Duration of single tries.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 11)}, []string{"channel", "result"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tocsin_delivery_latency_seconds",
			Help: "Time from queued to sent.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 13)}, []string{"channel"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_deliveries_waiting",
			Help: "Deliveries that are neither sent nor given up."}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_delivery_lag_seconds",
			Help: "How long the delivery longest due has been due."}),
	}
	r.MustRegister(m.queued, m.finished, m.tries, m.latency, m.waiting, m.lag)
	return m
}

// attempt counts one try of j that ended at now.
func (m *metrics) attempt(j *alert.Job, a alert.Answer, v alert.Verdict, took time.Duration, now time.Time) {
	result := "ok"
	if a.Error != "" {
		result = "failed"
	}
	m.tries.WithLabelValues(j.Channel, result).Observe(took.Seconds())
	if v.State != alert.DeliveryQueued {
		m.finished.WithLabelValues(j.Channel, v.State.String()).Inc()
	}
	if v.State == alert.DeliverySent {
		m.latency.WithLabelValues(j.Channel).Observe(now.Sub(j.QueuedAt).Seconds())
	}
}

func (m *metrics) backlog(b postgres.Backlog, now time.Time) {
	m.waiting.Set(float64(b.Queued))
	lag := time.Duration(0)
	if b.Next != nil {
		lag = max(now.Sub(*b.Next), 0)
	}
	m.lag.Set(lag.Seconds())
}
