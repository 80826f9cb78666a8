package account

import (
	"testing"
	"time"

	"sessiontool/lib/presence"
)

// Only a rerun of its own command sends a text for the synchronous route alone, and only within an hour.
func TestOnlySync(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "now or never", OnlySync: true}
	first := alice.seals(draft)
	alice.ends(presence.Crashed)
	alice = alice.anew("second")
	alice.wantOutboxEmpty(true)
	if claimed := alice.claimsOutbox(); len(claimed) > 0 {
		t.Errorf("claimed %+v", claimed)
	}
	again := alice.seals(draft)
	if !again.Resumed || again.Data != first.Data || !again.OnlySync {
		t.Errorf("the rerun sends %+v", again)
	}
	// A rerun over any route makes it a message like others.
	alice.ends(presence.Crashed)
	alice = alice.anew("third")
	draft.OnlySync = false
	if again := alice.seals(draft); !again.Resumed || again.OnlySync {
		t.Errorf("the rerun sends %+v", again)
	}
	alice.wantOutboxEmpty(false)

	draft.Text, draft.OnlySync = "another", true
	alice.seals(draft)
	alice.ends(presence.Crashed)
	alice = alice.anew("fourth")
	w.pass(time.Hour)
	if late := alice.seals(draft); late.Resumed {
		t.Errorf("an hour later the rerun sends %+v", late)
	}
}

// A rerun finds its message while another process that claimed it from the outbox sends it, and that process does not
// release the rerun's message afterwards.
func TestRerunWhileOthersSend(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi"}
	first := alice.seals(draft)
	alice.ends(presence.Crashed)
	listener, rerun := alice.anew("listener"), alice.anew("rerun")
	if claimed := listener.claimsOutbox(); len(claimed) != 1 {
		t.Fatalf("claimed %+v", claimed)
	}
	again := rerun.seals(draft)
	if !again.Resumed || again.Data != first.Data {
		t.Errorf("the rerun sends %+v", again)
	}
	if err := listener.Release(t.Context(), first.Seq); err != nil {
		t.Fatal(err)
	}
	if claimed := listener.claimsOutbox(); len(claimed) > 0 {
		t.Errorf("the listener takes %+v from the rerun", claimed)
	}
	if another := alice.anew("meant twice").seals(draft); another.Resumed {
		t.Errorf("a third process goes on with %+v", another)
	}
}
