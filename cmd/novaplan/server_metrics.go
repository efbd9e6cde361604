package main

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/novaplan/novaplan/cluster/state"
)

// serverMetrics counts what a server does. What it knows, the record and the cluster, is looked up when somebody
// asks (server_collect.go).
type serverMetrics struct {
	registry *prometheus.Registry
	elected  prometheus.Counter
	plans    *prometheus.HistogramVec
	calls    *prometheus.HistogramVec
	ended    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	looks    *prometheus.HistogramVec
	mended   *prometheus.CounterVec
}

const metricsPrefix = "novaplan_"

func newServerMetrics(s *server) *serverMetrics {
	m := &serverMetrics{
		registry: prometheus.NewRegistry(),
		elected:  prometheus.NewCounter(prometheus.CounterOpts{Name: metricsPrefix + "leaderships_total", Help: "Times that this member became the leader."}),
		plans: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: metricsPrefix + "plan_seconds", Help: "Time to look at the hosts and compute a plan.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"result"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: metricsPrefix + "request_seconds", Help: "Time to answer requests of the API; streams last as long as their readers want.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"route", "code"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricsPrefix + "operations_total", Help: "Operations that ended while this member led, by action and phase.",
		}, []string{"action", "phase"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: metricsPrefix + "operation_seconds", Help: "From the start of an operation to its end.", Buckets: prometheus.ExponentialBuckets(0.1, 4, 9),
		}, []string{"action"}),
		looks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: metricsPrefix + "host_look_seconds", Help: "Time to look at a host.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"result"}),
		mended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricsPrefix + "drift_mended_total", Help: "Differences that were approved to be mended, by kind.",
		}, []string{"kind"}),
	}
	m.registry.MustRegister(m.elected, m.plans, m.calls, m.ended, m.took, m.looks, m.mended, &serverCollector{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *serverMetrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// planned notes how long a plan took.
func (m *serverMetrics) planned(took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.plans.WithLabelValues(result).Observe(took.Seconds())
}

// operated notes the end of an operation.
func (m *serverMetrics) operated(op *state.Operation) {
	m.ended.WithLabelValues(string(op.Action), string(op.Phase)).Inc()
	if !op.Started.IsZero() && op.Ended.After(op.Started) {
		m.took.WithLabelValues(string(op.Action)).Observe(op.Ended.Sub(op.Started).Seconds())
	}
}

// requests times what next answers.
func (m *serverMetrics) requests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			m.calls.WithLabelValues(routeOf(r, seen.status), strconv.Itoa(seen.status)).Observe(time.Since(begun).Seconds())
		}()
		next.ServeHTTP(seen, r)
	})
}

// routeOf names a route with few words: what callers make up doesn't become a series of its own.
func routeOf(r *http.Request, status int) string {
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		return "none"
	}
	parts := strings.SplitN(strings.Trim(r.URL.Path, "/"), "/", 3)
	if len(parts) > 2 {
		parts = parts[:2]
	}
	return r.Method + " /" + strings.Join(parts, "/")
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
