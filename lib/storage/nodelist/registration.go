package nodelist

import "fmt"

// MethodRegister announces a node to this project's registry. Real seeds do not have it.
const MethodRegister = "register_service_node"

// RegisterParams announces a node to this project's registry. Keys are lower-case hex. Signature is Ed25519, in base64,
// by PubkeyEd25519 over [RegisterSignatureText].
type RegisterParams struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	PublicIP      string `json:"public_ip"`
	StoragePort   uint16 `json:"storage_port"`
	TimestampMS   int64  `json:"timestamp_ms"`
	Signature     string `json:"signature"`
}

// Codes of the JSON-RPC errors with which the registry refuses a [RegisterParams].
const (
	CodeRegistrationRefused = -32000
	CodeRegistrationClock   = -32001 // the node's clock is off
	CodeRegistrationBusy    = -32002 // too many registrations: try again later
)

// RegisterSignatureText returns the text that a [RegisterParams] signs. It covers every field but Signature.
func RegisterSignatureText(p RegisterParams) []byte {
	return fmt.Appendf(nil, "%s|%s|%s|%s|%d|%d",
		MethodRegister, p.PubkeyEd25519, p.PubkeyX25519, p.PublicIP, p.StoragePort, p.TimestampMS)
}
