// Package metrics has counters ([Counts]) and histograms ([Histogram]), and writes them in the Prometheus text format,
// version 0.0.4 ([Writer]). It replaces a client library, which would be the largest dependency of the module for two
// types and a format of one page.
//
// Counting is safe for concurrent use and cheap enough for every request. The output is well-formed for any labels. The
// same numbers always give the same text.
package metrics

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// ContentType is the Content-Type of the output of a [Writer].
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Outcome is the kind of a request and its HTTP status. The status is 0 for a request without a response.
type Outcome struct {
	What   string
	Status int
}

// Counts counts requests by outcome. The caller keeps the number of different outcomes small. The zero value is ready
// for use.
type Counts struct {
	mu     sync.Mutex
	counts map[Outcome]uint64
}

// Count is an outcome with the number of its requests.
type Count struct {
	Outcome
	Times uint64
}

// Add counts one request.
func (c *Counts) Add(what string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[Outcome]uint64)
	}
	c.counts[Outcome{what, status}]++
}

// All returns the counts of all outcomes, sorted by outcome.
func (c *Counts) All() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Count, 0, len(c.counts))
	for outcome, times := range c.counts {
		all = append(all, Count{outcome, times})
	}
	slices.SortFunc(all,
		func(a, b Count) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Status, b.Status)) })
	return all
}

// Histogram counts measurements in buckets. [NewHistogram] makes one.
type Histogram struct {
	bounds []float64 // upper bounds of the buckets, inclusive; the last bucket has none
	counts []atomic.Uint64
	sum    atomic.Uint64 // bits of a float64
}

// NewHistogram makes a histogram with these ascending bucket bounds, and one more bucket for greater values.
func NewHistogram(bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe adds a measurement.
func (h *Histogram) Observe(value float64) {
	bucket, _ := slices.BinarySearch(h.bounds, value)
	h.counts[bucket].Add(1)
	for {
		sum := h.sum.Load()
		if h.sum.CompareAndSwap(sum, math.Float64bits(math.Float64frombits(sum)+value)) {
			return
		}
	}
}

// Count returns the number of measurements.
func (h *Histogram) Count() (total uint64) {
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	return total
}

// Quantile returns the least bucket bound that at least the part q of the measurements does not exceed. It is +Inf if
// that is in the last bucket, and 0 without measurements.
func (h *Histogram) Quantile(q float64) float64 {
	total := h.Count()
	if total == 0 {
		return 0
	}
	least, below := uint64(math.Ceil(q*float64(total))), uint64(0)
	for i, bound := range h.bounds {
		if below += h.counts[i].Load(); below >= least {
			return bound
		}
	}
	return math.Inf(1)
}

// Writer writes families of samples. It keeps the first error until [Writer.Flush].
type Writer struct {
	out *bufio.Writer
}

// NewWriter makes a Writer that writes to out.
func NewWriter(out io.Writer) *Writer { return &Writer{bufio.NewWriter(out)} }

// Flush writes the buffered output and returns the first error.
func (w *Writer) Flush() error { return w.out.Flush() }

// Family starts a family of samples with one name. kind is counter, gauge or histogram.
func (w *Writer) Family(name, kind, help string) {
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	fmt.Fprintf(w.out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Sample writes a sample. labels alternates names and values.
func (w *Writer) Sample(name string, value float64, labels ...string) {
	fmt.Fprintf(w.out, "%s%s %s\n", name, labelText(labels), formatValue(value))
}

// Histogram writes the samples of a histogram.
func (w *Writer) Histogram(name string, h *Histogram, labels ...string) {
	total := uint64(0)
	for i := range h.counts {
		total += h.counts[i].Load()
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		w.Sample(name+"_bucket", float64(total), append(slices.Clip(labels), "le", formatValue(bound))...)
	}
	w.Sample(name+"_sum", math.Float64frombits(h.sum.Load()), labels...)
	w.Sample(name+"_count", float64(total), labels...)
}

func labelText(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, `%s="%s"`, labels[i], escape.Replace(labels[i+1]))
	}
	return b.String() + "}"
}

func formatValue(value float64) string {
	switch {
	case math.IsInf(value, 1):
		return "+Inf"
	case math.IsInf(value, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}
