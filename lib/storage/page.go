package storage

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// ParsePage reads the answer to [MethodRetrieve]: its first limit messages. Beyond reports that the answer has more.
// The other members of the answer go into beside, a pointer to a struct without a member "messages", or nil. One
// malformed message makes ParsePage fail: without the hash the next request could not continue after that message.
//
// The Data of the messages is part of body, which stays in memory as long as one of them does.
func ParsePage(body string, limit int, beside any) (messages []Stored, beyond bool, err error) {
	if messages, beyond, ok := parsePlain(body, limit, beside); ok {
		return messages, beyond, nil
	}
	return parsePage(body, limit, beside)
}

// messagesMember begins the list in an answer as servers write it.
const messagesMember = `"messages":[`

// parsePlain is ParsePage for an answer as servers write it: a list without white space, of objects with texts of
// printable ASCII without escapes. encoding/json reads each byte of a page of some megabytes five times for that, and
// parsePlain once. It returns false for any other answer.
func parsePlain(body string, limit int, beside any) (messages []Stored, beyond, ok bool) {
	before, after, found := strings.Cut(body, messagesMember)
	// One brace: the list is a member of the answer itself. Without an escape it does not begin within a text.
	if !found || !strings.HasPrefix(before, "{") || strings.Count(before, "{") > 1 || strings.Contains(before, `\`) {
		return nil, false, false
	}
	s := plainScanner{rest: after}
	messages = []Stored{}
	for !s.skip("]") {
		if len(messages) > 0 && !s.skip(",") {
			return nil, false, false
		}
		message, ok := s.message()
		if !ok || message.Hash == "" {
			return nil, false, false
		}
		if len(messages) < limit {
			messages = append(messages, message)
		} else {
			beyond = true
		}
	}
	var list onlyList
	outside := []byte(before + messagesMember + "]" + s.rest)
	if json.Unmarshal(outside, &list) != nil || list.Messages != 1 {
		return nil, false, false
	}
	return messages, beyond, beside == nil || json.Unmarshal(outside, beside) == nil
}

// onlyList counts the members called "messages". encoding/json takes the last one of several.
type onlyList struct {
	Messages calls `json:"messages"`
}

// calls counts how often its JSON was read.
type calls int

// UnmarshalJSON implements json.Unmarshaler.
func (c *calls) UnmarshalJSON([]byte) error {
	*c++
	return nil
}

// plainScanner reads JSON that needs no decoding.
type plainScanner struct{ rest string }

// skip reads text, and reports whether it came next.
func (s *plainScanner) skip(text string) bool {
	rest, found := strings.CutPrefix(s.rest, text)
	s.rest = rest
	return found
}

// message reads one message with members that are all different.
func (s *plainScanner) message() (m Stored, ok bool) {
	if !s.skip("{") {
		return m, false
	}
	var data, hash, expiration, timestamp bool
	for first := true; !s.skip("}"); first = false {
		if !first && !s.skip(",") {
			return m, false
		}
		switch {
		case s.skip(`"data":"`) && !data:
			m.Data, ok = s.text()
			data = true
		case s.skip(`"hash":"`) && !hash:
			m.Hash, ok = s.text()
			m.Hash, hash = strings.Clone(m.Hash), true // it is kept for longer than the page
		case s.skip(`"expiration":`) && !expiration:
			m.Expiration, ok = s.number()
			expiration = true
		case s.skip(`"timestamp":`) && !timestamp:
			m.Timestamp, ok = s.number()
			timestamp = true
		default:
			return m, false
		}
		if !ok {
			return m, false
		}
	}
	return m, true
}

// text reads up to the closing quote.
func (s *plainScanner) text() (text string, ok bool) {
	text, rest, found := strings.Cut(s.rest, `"`)
	if !found {
		return "", false
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			return "", false
		}
	}
	s.rest = rest
	return text, true
}

// maxDigits is the length of a number that fits into an int64 whatever its digits are.
const maxDigits = 18

// number reads an integer that is not negative.
func (s *plainScanner) number() (n int64, ok bool) {
	digits := 0
	for digits < len(s.rest) && s.rest[digits] >= '0' && s.rest[digits] <= '9' {
		n = n*10 + int64(s.rest[digits]-'0')
		digits++
		if digits > maxDigits {
			return 0, false
		}
	}
	if digits == 0 || digits > 1 && s.rest[0] == '0' {
		return 0, false
	}
	s.rest = s.rest[digits:]
	return n, true
}
