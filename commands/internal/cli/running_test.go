package cli

import (
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
