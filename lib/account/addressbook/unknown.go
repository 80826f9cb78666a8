package addressbook

import (
	"fmt"
	"strings"

	"sessiontool/lib/sessionid"
)

// UnknownError reports that no contact has a name. It wraps [ErrUnknown]. Similar are the IDs of
// contacts with a name that begins alike, and of those that call themselves so: a name of their own finds no contact.
type UnknownError struct {
	Name    string
	Similar []sessionid.ID
	words   []string
}

// NewUnknownError returns the error for a name, without similar contacts.
func NewUnknownError(name string) *UnknownError { return &UnknownError{Name: name} }

// Compare adds a contact with a name of the user's, or with one of its own, to the similar ones if it is similar.
func (e *UnknownError) Compare(id sessionid.ID, name, own string) {
	asked := Fold(e.Name)
	switch {
	case len(e.Similar) == maxSimilar:
		return
	case name != "" && strings.HasPrefix(Fold(name), asked[:min(len(asked), 3)]):
		e.words = append(e.words, name)
	case own != "" && Fold(own) == asked:
		e.words = append(e.words, fmt.Sprintf("%s, which calls itself %q", id, own))
	default:
		return
	}
	e.Similar = append(e.Similar, id)
}

// maxSimilar bounds the candidates of an UnknownError.
const maxSimilar = 8

// Error implements error.
func (e *UnknownError) Error() string {
	text := fmt.Sprintf("%v: %q", ErrUnknown, e.Name)
	if len(e.words) > 0 {
		text += "; similar: " + strings.Join(e.words, ", ")
	}
	return text
}

// Unwrap returns [ErrUnknown].
func (e *UnknownError) Unwrap() error { return ErrUnknown }

// Candidates returns the similar IDs as text.
func (e *UnknownError) Candidates() (ids []string) {
	for _, id := range e.Similar {
		ids = append(ids, id.String())
	}
	return ids
}
