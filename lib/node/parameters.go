package node

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// minMilliseconds is what a time must be at least not to be taken for one in seconds (today's notes, section 2).
const minMilliseconds = 1_000_000_000

// parameters reads the parameters of a request as today's nodes do (today's notes, section 2): null is absent, one text or
// number does for a list, and other types are refused. The first that is not as it should be makes err; what is read
// after it does not count.
type parameters struct {
	fields fields
	err    error
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = refuse(rpc.StatusBadRequest, "invalid request: "+format, args...)
	}
}

func (p *parameters) has(name string) bool {
	value, ok := p.fields[name]
	return ok && value.Type != gjson.Null
}

// require refuses a request without the parameter.
func (p *parameters) require(name string) {
	if !p.has(name) {
		p.fail("Required field '%s' missing", name)
	}
}

func (p *parameters) wrongType(name, expected string) {
	p.fail("Invalid value given for '%s': expected %s", name, expected)
}

// text returns a text, "" if there is none.
func (p *parameters) text(name string) string {
	value := p.fields[name]
	if p.has(name) && value.Type != gjson.String {
		p.wrongType(name, "string")
	}
	return value.Str
}

func (p *parameters) flag(name string) bool {
	if p.has(name) && !p.fields[name].IsBool() {
		p.wrongType(name, "boolean")
	}
	return p.fields[name].Bool()
}

// number returns an integer, 0 if there is none.
func (p *parameters) number(name string) int64 {
	if !p.has(name) {
		return 0
	}
	value := p.fields[name]
	number, err := strconv.ParseInt(value.Raw, 10, 64)
	if value.Type != gjson.Number || err != nil {
		p.wrongType(name, "integer")
	}
	return number
}

// decimal returns a number that may be a text, as clients used to write it.
func (p *parameters) decimal(name string) int64 {
	value := p.fields[name]
	if value.Type != gjson.String {
		return p.number(name)
	}
	number, err := strconv.ParseInt(value.Str, 10, 64)
	if err != nil {
		p.fail("Invalid value given for '%s': %s", name, strconv.QuoteToASCII(value.Str[:min(len(value.Str), maxNumberText)]))
	}
	return number
}

// time returns a time in milliseconds that has to be there.
func (p *parameters) time(name string) int64 {
	p.require(name)
	return p.milliseconds(name, p.number(name))
}

func (p *parameters) milliseconds(name string, value int64) int64 {
	if value < minMilliseconds {
		p.fail("Invalid timestamp for '%s': timestamp must be in milliseconds", name)
	}
	return value
}

// list returns the elements of a list that has to be there, or the one element that stands in its place.
func (p *parameters) list(name string, kind gjson.Type, expected string) []gjson.Result {
	p.require(name)
	value := p.fields[name]
	elements := []gjson.Result{value}
	if value.IsArray() {
		elements = value.Array()
	}
	for _, element := range elements {
		if element.Type != kind {
			p.wrongType(name, expected)
		}
	}
	return elements
}

// times returns one time for all of count things or count times.
func (p *parameters) times(name string, count int) (times []int64) {
	for _, element := range p.list(name, gjson.Number, "timestamp array") {
		number, err := strconv.ParseInt(element.Raw, 10, 64)
		if err != nil || number < 0 {
			p.wrongType(name, "timestamp array")
		}
		times = append(times, number)
	}
	if len(times) != 1 && len(times) != count {
		p.fail("Invalid value given for '%s': expected one, or one for each message", name)
	}
	return times
}

// hashes returns the hashes called messages.
func (p *parameters) hashes() (hashes []string) {
	for _, element := range p.list("messages", gjson.String, "string array") {
		if _, ok := parseTodayHash(element.Str); !ok {
			p.fail("invalid message hash: %s", strings.ToValidUTF8(element.Str[:min(len(element.Str), maxNumberText)], ""))
		}
		hashes = append(hashes, element.Str)
	}
	if len(hashes) == 0 {
		p.fail("messages does not contain any message hashes")
	}
	return hashes
}

func (p *parameters) namespace() rpc.Namespace {
	number := p.number("namespace")
	if number != int64(rpc.Namespace(number)) {
		p.fail("Invalid value given for 'namespace': value out of range")
	}
	return rpc.Namespace(number)
}

func (p *parameters) scope() rpc.Scope {
	value := p.fields["namespace"]
	switch {
	case value.Type == gjson.String && value.Str == "all":
		return rpc.Scope{All: true}
	case value.Type == gjson.String:
		p.wrongType("namespace", `integer or "all"`)
	}
	return rpc.Scope{Namespace: p.namespace()}
}

// account is whose box a request is about.
type account struct {
	pubKey string // 66 lower-case hex digits
	prefix byte
	key    [32]byte
}

// account returns the account called pubkey or, as before, pubKey.
func (p *parameters) account() (a account) {
	name := "pubkey"
	if !p.has(name) && p.has("pubKey") {
		name = "pubKey"
	}
	p.require(name)
	a.pubKey = strings.ToLower(p.text(name))
	raw, err := hex.DecodeString(a.pubKey)
	if err != nil || len(raw) != 1+len(a.key) {
		p.fail("Pubkey must be 66 hex digits/33 bytes long")
		return account{}
	}
	a.prefix, a.key = raw[0], [32]byte(raw[1:])
	return a
}

// proof is the signature that a request carries.
type proof struct {
	account   account
	signature []byte
	signer    [ed25519.PublicKeySize]byte // for an account that is a Session ID
}

// proof returns a signature that has to be there. Subaccounts are refused: see the package's comment.
func (p *parameters) proof(a account) proof {
	p.require("signature")
	if p.has("subaccount") {
		p.fail("this node does not support subaccounts")
	}
	signature, err := decodeBase64(p.text("signature"))
	if err != nil || len(signature) != ed25519.SignatureSize {
		p.fail("invalid signature: expected base64 encoded Ed25519 signature")
	}
	result := proof{account: a, signature: signature}
	if !p.has("pubkey_ed25519") {
		return result
	}
	if a.prefix != x25519.Prefix {
		p.fail("pubkey_ed25519 is only permitted for 05[...] pubkeys")
	}
	var ok bool
	if result.signer, ok = decodeKey(p.text("pubkey_ed25519")); !ok {
		p.fail("Invalid pubkey_ed25519: expected 64 hex char or 32 byte pubkey")
	}
	return result
}

// covers reports whether the owner has signed text: with the key that is its account's or, if that is a Session ID, with
// the Ed25519 form of it that the request names.
func (p proof) covers(text []byte) bool {
	key := p.account.key
	if p.account.prefix == x25519.Prefix {
		converted, err := sessionid.PublicKeyFromEd25519(p.signer)
		if err != nil || converted != p.account.key {
			return false
		}
		key = p.signer
	}
	return ed25519.Verify(key[:], text, p.signature)
}

// json returns the object that f was read from, or one like it.
func (f fields) json() (json.RawMessage, error) {
	members := make(map[string]json.RawMessage, len(f))
	for name, value := range f {
		members[name] = json.RawMessage(value.Raw)
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("writing parameters: %w", err)
	}
	return text, nil
}
