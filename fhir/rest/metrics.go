package rest

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts requests, in a registry of its own that also knows the Go
// runtime and the process. Make one with NewMetrics.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	entries  *prometheus.CounterVec
	faults   *prometheus.CounterVec
	duration [interactions]prometheus.Observer
	bytes    prometheus.Counter
	inFlight prometheus.Gauge
}

// NewMetrics makes metrics that have counted nothing yet.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portico_http_requests_total",
			Help: "Requests answered, by FHIR interaction and HTTP status.",
		}, []string{"interaction", "status"}),
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portico_bundle_entries_total",
			Help: "Entries of batches and transactions carried out, by FHIR interaction and HTTP status.",
		}, []string{"interaction", "status"}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portico_chart_faults_total",
			Help: "Values of the EHR that a rule of the chart map could not read, each time that one was met.",
		}, []string{"map", "element"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portico_http_response_bytes_total",
			Help: "Bytes of response bodies as sent.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portico_http_requests_in_flight",
			Help: "Requests being answered now.",
		}),
	}
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "portico_http_request_seconds",
		Help:    "Time from the request's header to the end of the answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"interaction"})
	for i := range interactions {
		m.duration[i] = duration.WithLabelValues(i.String())
	}
	m.registry.MustRegister(m.requests, m.entries, m.faults, m.bytes, m.inFlight, duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Count adds a counter that is kept elsewhere. The name is Prometheus', value is called
// whenever somebody asks. It is called before Serve.
func (m *Metrics) Count(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Serve answers /metrics in Prometheus' format on the listener, apart from the
// API, until ctx ends. It closes the listener.
func (m *Metrics) Serve(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		err := srv.Close()
		<-failed
		return err
	}
}

// ChartFault counts a value of the EHR that a rule could not read: element names the
// rule, never the value. A nil m counts nothing.
func (m *Metrics) ChartFault(mapping, element string) {
	if m != nil {
		m.faults.WithLabelValues(mapping, element).Inc()
	}
}

func (m *Metrics) begin() {
	if m != nil {
		m.inFlight.Inc()
	}
}

// entry counts an entry of a Bundle.
func (m *Metrics) entry(i interaction, status int) {
	if m != nil {
		m.entries.WithLabelValues(i.String(), strconv.Itoa(status)).Inc()
	}
}

func (m *Metrics) end(i interaction, status int, took time.Duration, bytes int64) {
	if m == nil {
		return
	}
	m.inFlight.Dec()
	m.requests.WithLabelValues(i.String(), strconv.Itoa(status)).Inc()
	m.duration[i].Observe(took.Seconds())
	m.bytes.Add(float64(bytes))
}
