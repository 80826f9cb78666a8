// Package metrics counts and measures, and writes the results in the Prometheus text format, version 0.0.4.
//
// It promises that counting is safe for concurrent use and cheap enough for every request, that what it writes is
// well-formed whatever labels contain, and that the same numbers always make the same text.
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

// ContentType is that of the text that a Writer writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Outcome is what a request was and how it ended: an HTTP status, 0 if it got no answer.
type Outcome struct {
	What   string
	Status int
}

// Counts counts requests by their outcome. The caller sees to it that there are few outcomes. The zero value is ready
// for use.
type Counts struct {
	mu     sync.Mutex
	counts map[Outcome]uint64
}

// Count is how often an outcome was counted.
type Count struct {
	Outcome
	Times uint64
}

// Add counts one request more.
func (c *Counts) Add(what string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[Outcome]uint64)
	}
	c.counts[Outcome{what, status}]++
}

// All returns what was counted so far, sorted by outcome.
func (c *Counts) All() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Count, 0, len(c.counts))
	for outcome, times := range c.counts {
		all = append(all, Count{outcome, times})
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Status, b.Status)) })
	return all
}

// Histogram counts measurements by size. See NewHistogram.
type Histogram struct {
	bounds []float64 // upper bounds of the buckets, inclusive, but for the last bucket
	counts []atomic.Uint64
	sum    atomic.Uint64 // bits of a float64
}

// NewHistogram makes a histogram with buckets up to these bounds, which rise, and one for all beyond.
func NewHistogram(bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts a measurement.
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

// Writer writes families of samples. The first error sticks and is returned by Flush.
type Writer struct {
	out *bufio.Writer
}

// NewWriter makes a Writer that writes to out.
func NewWriter(out io.Writer) *Writer { return &Writer{bufio.NewWriter(out)} }

// Flush writes what is left.
func (w *Writer) Flush() error { return w.out.Flush() }

// Family begins a family: all samples of one name, which follow. kind is counter, gauge or histogram.
func (w *Writer) Family(name, kind, help string) {
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	fmt.Fprintf(w.out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Sample writes one sample. Labels are names and values in turn.
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
