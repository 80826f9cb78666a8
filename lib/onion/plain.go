package onion

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// The parts of a response as all servers write it. A body that is embedded has no quotes.
const (
	plainStart = `{"body":"`
	plainEnd   = `","status":`
)

// appendPlain appends a response of which encoding/json would write the same bytes: printable ASCII, tabs and line
// feeds. It returns false for any other body. A page of messages has megabytes, which this way are copied once.
func appendPlain(to []byte, status int, body string) ([]byte, bool) {
	if status < 100 || status > 999 {
		return to, false
	}
	start := len(to)
	to = append(to, plainStart...)
	written := 0
	for i := range len(body) {
		var escape byte
		switch c := body[i]; {
		case c == '"' || c == '\\':
			escape = c
		case c == '\n':
			escape = 'n'
		case c == '\t':
			escape = 't'
		case c < ' ' || c > '~':
			return to[:start], false
		default:
			continue
		}
		to = append(append(to, body[written:i]...), '\\', escape)
		written = i + 1
	}
	to = append(append(to, body[written:]...), plainEnd...)
	return append(to, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), '}'), true
}

// plainSize returns the size of a response with a body that appendPlain writes, or more.
func plainSize(body string) int {
	escapes := strings.Count(body, `"`) + strings.Count(body, `\`) + strings.Count(body, "\n") + strings.Count(body, "\t")
	return len(plainStart) + len(body) + escapes + len(plainEnd) + len("200}")
}

// parsePlainResponse reads a response with a body of UTF-8 in quotes, without escapes by number. It returns false for
// any other one.
func parsePlainResponse(plaintext []byte) (Response, bool) {
	rest, ok := bytes.CutPrefix(plaintext, []byte(plainStart))
	if !ok {
		return Response{}, false
	}
	var body strings.Builder
	body.Grow(len(rest))
	from, i := 0, 0
	for ; ; i++ {
		if i == len(rest) || rest[i] < ' ' {
			return Response{}, false
		}
		if rest[i] == '"' {
			break
		}
		if rest[i] != '\\' {
			continue
		}
		body.Write(rest[from:i])
		if i++; i == len(rest) {
			return Response{}, false
		}
		at := strings.IndexByte(`"\/bfnrt`, rest[i])
		if at < 0 {
			return Response{}, false
		}
		body.WriteByte("\"\\/\b\f\n\r\t"[at])
		from = i + 1
	}
	body.Write(rest[from:i])
	rest, ok = bytes.CutPrefix(rest[i:], []byte(plainEnd))
	if !ok || len(rest) < len("200}") || rest[3] != '}' || slices.ContainsFunc(rest[4:], isNoBlank) {
		return Response{}, false
	}
	status := 0
	for _, digit := range rest[:3] {
		if digit < '0' || digit > '9' {
			return Response{}, false
		}
		status = 10*status + int(digit-'0')
	}
	return Response{Status: status, Body: body.String()}, status >= 100 && utf8.ValidString(body.String())
}

// isNoBlank reports whether a byte is another one than that of [Pad].
func isNoBlank(c byte) bool { return c != ' ' }
