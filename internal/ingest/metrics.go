package ingest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/spool"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	packWait prometheus.Histogram
	spooled  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, sp *spool.Spool, projects *directory) *metrics {
	buckets := []float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .3, 1, 5}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_ingest_requests_total",
			Help: "Requests answered, by route and status."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tocsin_ingest_accept_seconds",
			Help: "Time from a request's head to its answer.", Buckets: buckets}, []string{"route"}),
		packWait: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tocsin_ingest_pack_wait_seconds",
			Help: "Time an event waits for the queue to make it durable.", Buckets: buckets}),
		spooled: prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_ingest_spooled_total",
			Help: "Events that went to disk because the queue was away."}),
	}
	reg.MustRegister(m.requests, m.seconds, m.packWait, m.spooled,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tocsin_ingest_spool_bytes",
			Help: "Disk space taken by events that wait for the queue."}, func() float64 { return float64(sp.Bytes()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tocsin_ingest_spool_events",
			Help: "Events on disk that wait for the queue."}, func() float64 { return float64(sp.Len()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tocsin_ingest_projects",
			Help: "Projects whose configuration is known."}, func() float64 { return float64(projects.size()) }))
	return m
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status and sends it.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// measured is a route's handler with its refusals answered and counted.
func (s *Service) measured(rt route) http.Handler {
	seconds := s.metrics.seconds.WithLabelValues(rt.name)
	ok := s.metrics.requests.WithLabelValues(rt.name, "200")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		if err := rt.handle(s, sw, r); err != nil {
			fail(sw, r, err)
		}
		seconds.Observe(time.Since(started).Seconds())
		if sw.status == http.StatusOK {
			ok.Inc()
			return
		}
		s.metrics.requests.WithLabelValues(rt.name, strconv.Itoa(sw.status)).Inc()
	})
}
