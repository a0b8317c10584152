package operate

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is the state of the queues, as dashboards and alert rules read it.
type Metrics struct {
	packs, bytes, age, paused *prometheus.GaugeVec
}

// NewMetrics registers the gauges.
func NewMetrics(r prometheus.Registerer) *Metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tocsin_queue_" + name, Help: help}, []string{"queue"})
	}
	m := &Metrics{
		packs: gauge("packs", "Packs of messages in a queue; of a dead-letter queue: messages that could not be handled."),
		bytes: gauge("bytes", "Bytes a queue takes on disk."), age: gauge("oldest_seconds", "Age of the oldest message in a queue, zero when it is empty."),
		paused: gauge("paused", "1 while a queue is paused."),
	}
	r.MustRegister(m.packs, m.bytes, m.age, m.paused)
	return m
}

// MeasureEvery is how often the queues are to be measured: asking the broker in a loop costs it.
const MeasureEvery = 10 * time.Second

// Measure reads the queues into the gauges.
func (d *Desk) Measure(ctx context.Context, m *Metrics) error {
	queues, err := d.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		age, paused := 0.0, 0.0
		if q.Packs > 0 {
			age = max(0, time.Since(q.OldestAt).Seconds())
		}
		if q.Paused != nil {
			paused = 1
		}
		m.packs.WithLabelValues(q.Queue).Set(float64(q.Packs))
		m.bytes.WithLabelValues(q.Queue).Set(float64(q.Bytes))
		m.age.WithLabelValues(q.Queue).Set(age)
		m.paused.WithLabelValues(q.Queue).Set(paused)
	}
	return nil
}
