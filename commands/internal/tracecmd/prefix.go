package tracecmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/trace"
)

// shortestPrefix is how many characters the beginning of a name needs. Hashes of storage RPC 2.8 have 43 of 64 kinds,
// and journals some thousand.
const shortestPrefix = 8

// listedNames is how many of the names that begin alike an error lists.
const listedNames = 8

// whole returns the name in the journal of which a text is the whole or the beginning: a message's hash, the id of a
// record, or that of a trace. A text that begins none is returned as it is. The error is that of one that begins
// several.
func (f *follower) whole(text string) (string, error) {
	if isHash(text) || len(text) < shortestPrefix {
		return text, nil
	}
	found := make(map[string]bool)
	for _, t := range f.journal {
		for _, name := range namesIn(t) {
			if name == text {
				return text, nil
			}
			if strings.HasPrefix(name, text) {
				found[name] = true
			}
		}
	}
	names := slices.Sorted(maps.Keys(found))
	switch len(names) {
	case 0:
		return text, nil
	case 1:
		return names[0], nil
	}
	return "", cli.UsageError(fmt.Errorf("%d names in the journal begin with %q: %s", len(names), text,
		strings.Join(names[:min(len(names), listedNames)], ", ")))
}

// namesIn returns the names by which a message of a trace is called: the ID of the trace, and hashes and IDs of records.
func namesIn(t trace.Trace) []string {
	names := []string{t.ID.String()}
	for _, span := range t.Spans {
		names = append(names, span.Attr(trace.KeyHash))
		for _, event := range span.Events {
			names = append(names, event.Attr(trace.KeyHash))
			if event.Name == trace.EventMessage {
				names = append(names, event.Attr("id"))
			}
		}
	}
	return names
}

// noTrace returns the error of a name that the journal does not have.
func noTrace(name string) error {
	problem := fmt.Errorf("there is no trace of %.64q in the journal", name)
	switch {
	case len(name) < shortestPrefix:
		problem = fmt.Errorf("%w; the beginning of a hash needs %d characters or more", problem, shortestPrefix)
	case !strings.ContainsAny(name, " \t\n"):
		problem = fmt.Errorf("%w; only a whole message_hash can be asked for at the members of the swarm", problem)
	}
	return cli.WithCode(cli.ErrNoTrace, problem)
}
