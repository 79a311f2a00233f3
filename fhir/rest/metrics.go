package rest

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests. Make one with NewMetrics.
type Metrics struct {
	requests *prometheus.CounterVec
	duration [interactions]prometheus.Observer
	bytes    prometheus.Counter
	inFlight prometheus.Gauge
}

// NewMetrics registers the edge's metrics. It panics when they are registered
// there already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portico_http_requests_total",
			Help: "Requests answered, by FHIR interaction and HTTP status.",
		}, []string{"interaction", "status"}),
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
	reg.MustRegister(m.requests, m.bytes, m.inFlight, duration)
	return m
}

func (m *Metrics) begin() {
	if m != nil {
		m.inFlight.Inc()
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
