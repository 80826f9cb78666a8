package meter

import (
	"strings"
	"testing"
)

// There is a histogram of durations for every endpoint.
func TestEveryEndpointIsTimed(t *testing.T) {
	var out strings.Builder
	if err := Write(&out, []Measured{{Name: "a", Meter: New()}}); err != nil {
		t.Fatal(err)
	}
	names := []string{Peer, otherEndpoint}
	for _, name := range endpoints {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(out.String(), `sessiontool_request_duration_seconds_count{node="a",endpoint="`+name+`"}`) {
			t.Errorf("nothing of %q in\n%s", name, &out)
		}
	}
}
