package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// ages counts batches by the age of their oldest event when they were stored, by upper bounds in seconds:
// each bound counts those below the former ones too.
type ages struct {
	below map[float64]uint64
	all   uint64
}

const ageSeries = "tocsin_processor_event_age_seconds"

// ages reads the processor's histogram.
func (in *installation) ages(ctx context.Context) (a ages, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL+"/metrics", nil)
	if err != nil {
		return a, err
	}
	res, err := in.http.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return a, err
	}
	series := families[ageSeries].GetMetric()
	if len(series) != 1 {
		return a, fmt.Errorf("%s/metrics has %d series of %s", in.URL, len(series), ageSeries)
	}
	a.below, a.all = map[float64]uint64{}, series[0].GetHistogram().GetSampleCount()
	for _, b := range series[0].GetHistogram().GetBucket() {
		a.below[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	return a, nil
}

// since is the least bound that holds a share of the batches that came after before; 0 when that is
// none of them.
func (a ages) since(before ages, share float64) float64 {
	want, least := share*float64(a.all-before.all), 0.0
	for bound, n := range a.below {
		if float64(n-before.below[bound]) >= want && (least == 0 || bound < least) {
			least = bound
		}
	}
	return least
}
