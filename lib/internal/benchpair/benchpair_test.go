package benchpair

import "testing"

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{1: {1}, 2: {1, 2}, 3: {9, 3, -1}} {
		if got := Median(values); got != want {
			t.Errorf("median is %v, not %v", got, want)
		}
	}
}
