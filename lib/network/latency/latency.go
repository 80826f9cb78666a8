// Package latency learns when an answer is late, from the times that answers took in this run and in earlier ones.
package latency

import (
	"slices"
	"time"
)

const (
	// Unknown is when an answer is late while nothing is known of the network.
	Unknown = time.Second
	// Soonest and Latest bound the learned value. Below the first, the noise of a busy machine would count as a fault.
	Soonest = 200 * time.Millisecond
	Latest  = 5 * time.Second
	// maxSamples bounds the answer times that are kept of each name within one run.
	maxSamples = 64
	// fewSamples is how many answers of this run are needed before the values of earlier runs are ignored.
	fewSamples = 8
)

// Samples are the answer times of this run, by name.
type Samples map[string][]time.Duration

// Learn adds an answer time under names.
func (s Samples) Learn(took time.Duration, names ...string) {
	for _, name := range names {
		samples := append(s[name], took)
		s[name] = samples[max(len(samples)-maxSamples, 0):]
	}
}

// Late returns when an answer is late: after the 95th percentile of this run and earlier ones, rounded up to a power of
// two, of the first name that has any. kept is what [Samples.Keep] returned for earlier runs, and soonest the least
// result.
func (s Samples) Late(kept map[string]int64, soonest time.Duration, names ...string) time.Duration {
	for _, name := range names {
		value, found := kept[name]
		if samples := s[name]; len(samples) > 0 {
			learned := bucket(percentile95(samples))
			if len(samples) >= fewSamples || !found {
				value = learned
			}
			value, found = max(value, learned), true
		}
		if found {
			return max(min(time.Duration(value)*time.Millisecond, Latest), soonest)
		}
	}
	return max(Unknown, soonest)
}

// Keep adds the answer times of this run to those of earlier runs. Slower answers count at once; faster ones halve the
// kept value, so that one quick run does not undo the experience of many. Powers of two stay unchanged in steady state.
func (s Samples) Keep(kept map[string]int64) map[string]int64 {
	if len(s) > 0 && kept == nil {
		kept = make(map[string]int64)
	}
	for name, samples := range s {
		kept[name] = max(bucket(percentile95(samples)), kept[name]/2)
	}
	return kept
}

// percentile95 is the time within which 95 of 100 samples lie; of few samples the longest.
func percentile95(samples []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)*95+99)/100-1]
}

// bucket returns d in milliseconds, rounded up to a power of two and to at least half of Soonest.
func bucket(d time.Duration) int64 {
	result := int64(1)
	for result < max(d, Soonest/2).Milliseconds() {
		result *= 2
	}
	return result
}
