package route

import "time"

// backOff is a pause that doubles after each thing without use and halves after each useful one.
type backOff struct {
	first, longest time.Duration
	pause          time.Duration // 0 at first
}

// after returns the pause after one more thing.
func (b *backOff) after(useful bool) time.Duration {
	if !useful {
		b.pause = min(max(b.first, 2*b.pause), b.longest)
	} else if b.pause /= 2; b.pause < b.first {
		b.pause = 0
	}
	return b.pause
}
