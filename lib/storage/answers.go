package storage

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
	// MaxPage is for the messages of one retrieve answer. Nodes of 2.0 send 10. What is left out comes with the next
	// request.
	MaxPage = 100
)

// ParseSwarm reads the answer to MethodSwarm or the body of a StatusWrongSwarm: the first MaxMembers of it, without
// entries that are no members and without members whose address is zero, which later servers list before they know it.
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

// ParseMessages reads the answer to MethodRetrieve: the first MaxPage of it. One message that is none spoils the
// answer, since without its hash it could not be passed over.
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

// Elements returns the first limit elements of a JSON array, each as it stands: so that one bad element does not have
// to spoil the others, and that little is allocated for an array of millions. What comes after them is not looked at.
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
