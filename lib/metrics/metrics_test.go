package metrics

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
)

// A quantile is the bound of the bucket that it falls into.
func TestQuantile(t *testing.T) {
	h := NewHistogram(1, 2, 4)
	if got := h.Quantile(0.5); got != 0 || h.Count() != 0 {
		t.Errorf("the median of nothing is %v of %d", got, h.Count())
	}
	for _, value := range []float64{0.5, 1, 1.5, 3, 9} {
		h.Observe(value)
	}
	for q, want := range map[float64]float64{0: 1, 0.4: 1, 0.41: 2, 0.6: 2, 0.8: 4, 0.81: math.Inf(1), 1: math.Inf(1)} {
		if got := h.Quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.Count() != 5 {
		t.Errorf("%d measurements, want 5", h.Count())
	}
}

// The output has the format of a Prometheus server: families with help and type, escaped labels, cumulative buckets.
func TestText(t *testing.T) {
	h := NewHistogram(0.1, 1)
	for _, value := range []float64{0.05, 0.1, 0.5, 7} {
		h.Observe(value)
	}
	var text strings.Builder
	w := NewWriter(&text)
	w.Family("up", "gauge", "one line\nand a \\")
	w.Sample("up", 1)
	w.Sample("up", 2, "kind", "y", "a name without a value")
	w.Sample("up", 0.25, "node", "a\"b\\c\nd", "kind", "x")
	w.Family("took_seconds", "histogram", "how long")
	w.Histogram("took_seconds", h, "node", "a")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `# HELP up one line\nand a \\
# TYPE up gauge
up 1
up{kind="y"} 2
up{node="a\"b\\c\nd",kind="x"} 0.25
# HELP took_seconds how long
# TYPE took_seconds histogram
took_seconds_bucket{node="a",le="0.1"} 2
took_seconds_bucket{node="a",le="1"} 3
took_seconds_bucket{node="a",le="+Inf"} 4
took_seconds_sum{node="a"} 7.65
took_seconds_count{node="a"} 4
`
	if text.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", text.String(), want)
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	if len(c.All()) != 0 {
		t.Errorf("nothing was counted, but there is %v", c.All())
	}
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() { c.Add("store", 200) })
	}
	wait.Wait()
	c.Add("store", 0)
	c.Add("retrieve", 421)
	all := c.All()
	if len(all) != 3 || all[0].What != "retrieve" || all[1].Status != 0 || all[2].Times != 100 {
		t.Errorf("counted %v", all)
	}
}

func TestHistogramAtOnce(t *testing.T) {
	h := NewHistogram(1)
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() { h.Observe(0.5) })
	}
	wait.Wait()
	var text strings.Builder
	w := NewWriter(&text)
	w.Histogram("x", h)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "x_sum 50\nx_count 100\n") {
		t.Errorf("wrote %s", text.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestWriterReportsErrors(t *testing.T) {
	w := NewWriter(broken{})
	w.Sample("up", 1)
	if err := w.Flush(); err == nil {
		t.Error("what could not be written counts as written")
	}
}
