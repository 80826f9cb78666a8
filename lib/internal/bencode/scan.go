package bencode

import "math"

// scanString reads the string at text[at:] and returns its content and its end.
func scanString(text []byte, at int) (content []byte, end int, err error) {
	length, end, err := scanDigits(text, at)
	if err != nil {
		return nil, 0, err
	}
	if end >= len(text) || text[end] != ':' {
		return nil, 0, syntax(end, "expected a string")
	}
	end++
	if length > uint64(len(text)-end) {
		return nil, 0, syntax(at, "the string is longer than the text")
	}
	return text[end : end+int(length)], end + int(length), nil
}

// scanInt reads the integer at text[at:].
func scanInt(text []byte, at int) (negative bool, magnitude uint64, end int, err error) {
	if at >= len(text) || text[at] != 'i' {
		return false, 0, 0, syntax(at, "expected an integer")
	}
	at++
	if at < len(text) && text[at] == '-' {
		negative = true
		at++
	}
	magnitude, end, err = scanDigits(text, at)
	if err != nil {
		return false, 0, 0, err
	}
	if end >= len(text) || text[end] != 'e' {
		return false, 0, 0, syntax(end, "the integer does not end")
	}
	return negative, magnitude, end + 1, nil
}

// scanDigits reads one or more decimal digits. Leading zeros are allowed, overflow is not.
func scanDigits(text []byte, at int) (number uint64, end int, err error) {
	for end = at; end < len(text) && '0' <= text[end] && text[end] <= '9'; end++ {
		digit := uint64(text[end] - '0')
		if number > (math.MaxUint64-digit)/10 {
			return 0, 0, syntax(at, "the number is too great")
		}
		number = number*10 + digit
	}
	if end == at {
		return 0, 0, syntax(at, "expected a number")
	}
	return number, end, nil
}

// container is a list or dict in which skip currently is.
type container struct {
	dict    bool
	isValue bool // in a dict: the next thing is a value
}

// skip returns the end of the value at text[at:]. It walks nested values without recursion, so that deep nesting does
// not overflow the stack.
func skip(text []byte, at int) (end int, err error) {
	var open []container
	for {
		if at >= len(text) {
			return 0, syntax(at, "the value does not end")
		}
		inner := len(open) - 1
		ended := inner >= 0 && text[at] == 'e' && !open[inner].isValue
		atKey := inner >= 0 && open[inner].dict && !open[inner].isValue && !ended
		if inner >= 0 && open[inner].dict && !ended {
			open[inner].isValue = !open[inner].isValue
		}
		switch {
		case ended:
			open = open[:inner]
			at++
		case atKey:
			_, at, err = scanString(text, at)
		case text[at] == 'i':
			var magnitude uint64
			var negative bool
			if negative, magnitude, at, err = scanInt(text, at); err == nil && negative && magnitude > 1<<63 {
				err = syntax(at, "integer out of range")
			}
		case text[at] == 'l' || text[at] == 'd':
			open = append(open, container{dict: text[at] == 'd'})
			at++
			continue
		default:
			_, at, err = scanString(text, at)
		}
		if err != nil || len(open) == 0 {
			return at, err
		}
	}
}
