package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// Bounds of the elements that are read of an answer. Hostile nodes may send more.
const (
	// MaxMembers bounds the members of a swarm. Real swarms have 5 to 10.
	MaxMembers = 256
	// MaxPage bounds the messages of one retrieve answer. Nodes of 2.0 send 10, nodes of 2.8 as many texts of usual
	// length as fit into some megabytes. The next request gets the rest.
	MaxPage = 8192
)

// ParseSwarm reads the answer to [MethodSwarm] or the body of a [StatusWrongSwarm]: its first [MaxMembers] entries. It
// skips malformed entries, and members with a zero address, which later servers list before they know the address.
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

// reachable reports whether the node has an address. An address that cannot be parsed counts as one: the seeds' list
// decides.
func (s Snode) reachable() bool {
	ip := net.ParseIP(s.IP)
	return s.Port != "0" && (ip == nil || !ip.IsUnspecified())
}

// ParseMessages is [ParsePage] for the first [MaxPage] messages alone.
func ParseMessages(body string) ([]Stored, error) {
	messages, _, err := ParsePage(body, MaxPage, nil)
	return messages, err
}

// parsePage is [ParsePage] for any JSON.
func parsePage(body string, limit int, beside any) (messages []Stored, beyond bool, err error) {
	var answer struct {
		Messages json.RawMessage `json:"messages"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, false, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	elements, err := Elements(answer.Messages, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	if beyond = len(elements) > limit; beyond {
		elements = elements[:limit]
	}
	messages = make([]Stored, len(elements))
	for i, element := range elements {
		if err := json.Unmarshal(element, &messages[i]); err != nil {
			return nil, false, fmt.Errorf("answer is not a list of messages: %w", err)
		}
		if messages[i].Hash == "" {
			return nil, false, errors.New("answer is not a list of messages: one has no hash")
		}
	}
	if beside != nil {
		if err := json.Unmarshal([]byte(body), beside); err != nil {
			return nil, false, fmt.Errorf("answer is not a list of messages: %w", err)
		}
	}
	return messages, beyond, nil
}

// Elements returns the first limit elements of a JSON array, undecoded. So a caller can skip a malformed element, and
// an array of millions needs little memory. Elements does not read the rest. Null is an empty array; empty input is an
// error.
func Elements(array json.RawMessage, limit int) ([]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(array))
	switch start, err := decoder.Token(); {
	case err != nil:
		return nil, errors.New("list is missing")
	case start == nil:
		return nil, nil
	case start != json.Delim('['):
		return nil, errors.New("list is not a JSON array")
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
