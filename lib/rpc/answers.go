package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// What is taken of an answer at most; nodes may say anything.
const (
	// MaxMembers is for the members of a swarm. Real ones have 5 to 10.
	MaxMembers = 256
	// MaxPage is for the messages of one retrieve answer. Nodes of 2020 send MaxRetrieved; what is left out comes with
	// the next request.
	MaxPage = 100
)

// ParseSwarm reads a SwarmAnswer: the first MaxMembers of it, without entries that are no members and without members
// whose address is zero, which later servers list before they know it.
func ParseSwarm(body string) ([]Snode, error) {
	var answer struct {
		Snodes json.RawMessage `json:"snodes"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("answer is not a swarm: %w", err)
	}
	elements, err := Elements(answer.Snodes, MaxMembers)
	if err != nil {
		return nil, fmt.Errorf("answer is not a swarm: %w", err)
	}
	var snodes []Snode
	for _, element := range elements {
		var snode Snode
		if json.Unmarshal(element, &snode) == nil && snode.reachable() {
			snodes = append(snodes, snode)
		}
	}
	return snodes, nil
}

// reachable reports whether the node has an address. An address that cannot be read is one: the seeds' list decides.
func (s Snode) reachable() bool {
	ip := net.ParseIP(s.IP)
	return s.Port != "0" && (ip == nil || !ip.IsUnspecified())
}

// ParseMessages reads a RetrieveAnswer: the first MaxPage of it. One message that is none spoils the answer, since
// without its hash it could not be passed over.
func ParseMessages(body string) ([]Stored, error) {
	var answer struct {
		Messages json.RawMessage `json:"messages"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	elements, err := Elements(answer.Messages, MaxPage)
	if err != nil {
		return nil, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	messages := make([]Stored, len(elements))
	for i, element := range elements {
		if err := json.Unmarshal(element, &messages[i]); err != nil {
			return nil, fmt.Errorf("answer is not a list of messages: %w", err)
		}
		if messages[i].Hash == "" {
			return nil, errors.New("answer is not a list of messages: one has no hash")
		}
	}
	return messages, nil
}

// ParsePage reads a PageAnswer: the first MaxPage of it, with More set if there are others behind. Like ParseMessages it
// fails for a message that is none.
func ParsePage(body string) (PageAnswer, error) {
	var page struct {
		Messages json.RawMessage `json:"messages"`
		More     bool            `json:"more"`
		Clock
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		return PageAnswer{}, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	messages, err := ParseMessages(body)
	if err != nil {
		return PageAnswer{}, err
	}
	beyond, err := Elements(page.Messages, MaxPage+1)
	if err != nil {
		return PageAnswer{}, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	return PageAnswer{Messages: messages, More: page.More || len(beyond) > MaxPage, Clock: page.Clock}, nil
}

// HasResults reports whether an answer with this status may have a ChangeAnswer as its body: 500 is that of servers after
// 2.8.0 when every member failed.
func HasResults(status int) bool { return status == StatusOK || status == StatusFailed }

// ParseChange reads a ChangeAnswer of at most MaxMembers members, without those whose result cannot be read.
func ParseChange(body string) (ChangeAnswer, error) {
	var answer struct {
		Hash  string                     `json:"hash"`
		Swarm map[string]json.RawMessage `json:"swarm"`
		Clock
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return ChangeAnswer{}, fmt.Errorf("answer is not about a swarm: %w", err)
	}
	if answer.Swarm == nil || len(answer.Swarm) > MaxMembers {
		return ChangeAnswer{}, fmt.Errorf("answer is about %d members", len(answer.Swarm))
	}
	change := ChangeAnswer{Hash: answer.Hash, Swarm: make(map[string]MemberResult, len(answer.Swarm)), Clock: answer.Clock}
	for name, text := range answer.Swarm {
		var result MemberResult
		if json.Unmarshal(text, &result) == nil {
			change.Swarm[name] = result
		}
	}
	return change, nil
}

// ParseBatch reads a BatchAnswer to count requests. A sequence may have ended before the last of them.
func ParseBatch(body string, count int) ([]Result, error) {
	var answer struct {
		Results json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("answer is not a list of results: %w", err)
	}
	elements, err := Elements(answer.Results, count)
	if err != nil {
		return nil, fmt.Errorf("answer is not a list of results: %w", err)
	}
	results := make([]Result, len(elements))
	for i, element := range elements {
		if err := json.Unmarshal(element, &results[i]); err != nil {
			return nil, fmt.Errorf("answer is not a list of results: %w", err)
		}
	}
	return results, nil
}

// Elements returns the first limit elements of a JSON array, each as it stands: so that one bad element does not have to
// spoil the others, and that little is allocated for an array of millions. What comes after them is not looked at.
// Null is an array without elements, and nothing at all is an error.
func Elements(array json.RawMessage, limit int) ([]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(array))
	switch start, err := decoder.Token(); {
	case err != nil:
		return nil, errors.New("it has no list")
	case start == nil:
		return nil, nil
	case start != json.Delim('['):
		return nil, errors.New("its list is none")
	}
	var elements []json.RawMessage
	for len(elements) < limit && decoder.More() {
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	return elements, nil
}
