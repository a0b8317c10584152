package processor

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	batch     prometheus.Histogram
	decode    prometheus.Histogram
	record    prometheus.Histogram
	fold      prometheus.Histogram
	age       prometheus.Histogram
	events    *prometheus.CounterVec
	relayed   prometheus.Counter
	outboxAge prometheus.Gauge
	factsAge  prometheus.Gauge
	ledger    prometheus.Gauge
}

func newMetrics() *metrics {
	histogram := func(name, help string, start, factor float64, count int) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tocsin_processor_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(start, factor, count)})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_processor_" + name, Help: help})
	}
	return &metrics{
		batch:  histogram("batch_events", "Events in a batch.", 1, 2, 10),
		decode: histogram("decode_seconds", "Time to decode, normalize and group a batch.", 0.0005, 2, 14),
		record: histogram("record_seconds", "Time to record a batch.", 0.001, 2, 14),
		fold:   histogram("fold_seconds", "Time to fold waiting facts.", 0.001, 2, 14),
		age:    histogram("event_age_seconds", "Age of the oldest event of a batch when it was recorded.", 1./128, 2, 17),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_processor_events_total",
			Help: "Events by what became of them: stored, duplicate, redelivered, dropped, filtered, rejected."}, []string{"result"}),
		relayed: prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_processor_changes_relayed_total",
			Help: "Changes of issues handed to the notifier."}),
		outboxAge: gauge("outbox_age_seconds", "How long the oldest change has waited to be relayed."),
		factsAge:  gauge("facts_age_seconds", "How long the oldest facts have waited to be folded."),
		ledger: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_ledger_difference_items",
			Help: "Items of the last hour, but its last minutes, that were received and have no outcome, or have one and were not received."}),
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.batch, m.decode, m.record, m.fold, m.age, m.events, m.relayed, m.outboxAge, m.factsAge, m.ledger}
}
