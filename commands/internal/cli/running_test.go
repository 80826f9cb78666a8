package cli

import (
	"errors"
	"testing"

	"sessiontool/lib/presence"
	"sessiontool/lib/record"
)

// A devnet that is noted is found with the presence file that shows that it runs, and is gone once the note is removed.
func TestDevnetNotes(t *testing.T) {
	home := t.TempDir()
	app := New(Streams{Env: func(name string) string { return map[string]string{"HOME": home}[name] }})
	remove, err := app.NoteDevnet(DevnetNote{Network: record.Network{Name: "first"}, Dir: "/somewhere"})
	if err != nil {
		t.Fatal(err)
	}
	running, err := app.Devnets()
	if err != nil || len(running) != 1 || running[0].Network.Name != "first" || running[0].Dir != "/somewhere" {
		t.Fatalf("found %+v, %v", running, err)
	}
	notes, err := app.DevnetNotes()
	if err != nil {
		t.Fatal(err)
	}
	if presence.StateOf(notes, running[0].Presence) != presence.Alive {
		t.Errorf("the presence file %q does not show that the devnet runs", running[0].Presence)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if running, err := app.Devnets(); err != nil || len(running) != 0 {
		t.Errorf("after the end there are %+v, %v", running, err)
	}
	if presence.StateOf(notes, "") == presence.Alive {
		t.Error("a devnet without a presence file runs")
	}
}

// The setting network names a running devnet. What it names that is no devnet counts for devnet commands only as a flag.
func TestNamedDevnet(t *testing.T) {
	home := t.TempDir()
	running := []DevnetNote{
		{Network: record.Network{Name: "new", File: "/new/network.json", Seeds: []string{"http://127.0.0.1:2/json_rpc"}}},
		{Network: record.Network{Name: "old", File: "/old/network.json", Seeds: []string{"http://127.0.0.1:1/json_rpc"}}},
	}
	for _, c := range []struct{ network, origin, want string }{
		{"", OriginDefault, "new"}, {"old", OriginEnvironment, "old"}, {"old", originFlag, "old"}, {"new", OriginFile, "new"},
		{"/old/network.json", originFlag, "old"}, {"/old/../old/network.json", OriginFile, "old"},
		{"http://127.0.0.1:1/json_rpc", OriginEnvironment, "old"}, {"http://127.0.0.1:1/", originFlag, "old"},
		{"http://127.0.0.1:3", OriginEnvironment, "new"}, {"http://127.0.0.1:3", originFlag, ""},
		{"mainnet", OriginFile, "new"}, {"mainnet", originFlag, ""},
		{"olf", OriginEnvironment, ""}, {"olf", originFlag, ""},
	} {
		app := New(Streams{Env: func(name string) string { return map[string]string{"HOME": home}[name] }})
		app.networkName, app.origins = c.network, map[string]Origin{"network": {c.origin, ""}}
		got := ""
		note, err := app.NamedDevnet(running)
		if err == nil {
			got = note.Network.Name
		} else if !errors.Is(err, ErrNoNetwork) {
			t.Error(err)
		}
		if got != c.want {
			t.Errorf("%q of the %s is the devnet %q, not %q", c.network, c.origin, got, c.want)
		}
	}
}
