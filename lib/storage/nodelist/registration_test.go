package nodelist_test

import (
	"testing"

	"sessiontool/lib/storage/nodelist"
)

// The signed text covers every field of a registration.
func TestRegisterSignatureText(t *testing.T) {
	p := nodelist.RegisterParams{
		PubkeyEd25519: "a", PubkeyX25519: "b", PublicIP: "c", StoragePort: 1, TimestampMS: 2, Signature: "d",
	}
	if got, want := string(nodelist.RegisterSignatureText(p)), "register_service_node|a|b|c|1|2"; got != want {
		t.Errorf("signed is %q, want %q", got, want)
	}
}
