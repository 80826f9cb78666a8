package devnet

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Another process gives orders through the endpoint, if it can read the token.
func TestRemote(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2, Control: true})
	remote, err := Connect(n.Dir())
	if err != nil {
		t.Fatal(err)
	}
	set, err := remote.SetFault(t.Context(), []string{"1"}, Fault{Kind: FaultDrop, Share: 0.25})
	if err != nil || len(set) != 1 || set[0].Index != 1 || set[0].Share != 0.25 {
		t.Errorf("set %v, %v", set, err)
	}
	if faults, err := remote.Faults(t.Context()); err != nil || !slices.Equal(faults, n.Faults()) {
		t.Errorf("faults are %v, %v", faults, err)
	}
	if _, err := remote.SetFault(t.Context(), []string{"9"}, Fault{Kind: FaultDrop}); !errors.Is(err, ErrNode) {
		t.Errorf("a node that is none: %v, want ErrNode", err)
	}
	if _, err := remote.SetFault(t.Context(), nil, Fault{Kind: "rain"}); !errors.Is(err, ErrFault) {
		t.Errorf("a fault that is none: %v, want ErrFault", err)
	}
	if cleared, err := remote.ClearFaults(t.Context(), nil); err != nil || len(cleared) != 1 || len(n.Faults()) > 0 {
		t.Errorf("cleared %v, %v", cleared, err)
	}
	want := Status{Nodes: 2, Swarms: 1, Difficulty: 7}
	if status, err := remote.SetDifficulty(t.Context(), 7); err != nil || status != want {
		t.Errorf("status %+v, %v", status, err)
	}
	if status, err := remote.Status(t.Context()); err != nil || status != want {
		t.Errorf("status %+v, %v", status, err)
	}

	file := filepath.Join(n.Dir(), controlFile)
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, token := range []string{"", "Bearer ", "Bearer " + strings.Repeat("0", 64)} {
		request, err := http.NewRequest(http.MethodPost, remote.note.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("token %q gets status %d", token, response.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	mustClose(t, n)
	if _, err := Connect(n.Dir()); !errors.Is(err, ErrControl) {
		t.Errorf("after the end: %v, want ErrControl", err)
	}
	if _, err := remote.Faults(t.Context()); !errors.Is(err, ErrControl) {
		t.Errorf("after the end: %v, want ErrControl", err)
	}
}
