package node

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// minMilliseconds is the least time in milliseconds; a smaller one is taken for seconds (storage-2.8.md section 2).
const minMilliseconds = 1_000_000_000

// parameters reads the parameters of a request as nodes of 2.8 do (storage-2.8.md section 2): null means absent, one
// text or number stands for a list of one, and other types are refused. The first invalid parameter sets err; the
// values read after it are meaningless.
type parameters struct {
	fields fields
	err    error
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = refuse(storage.StatusBadRequest, "invalid request: "+format, args...)
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

// exclude refuses a request with both parameters.
func (p *parameters) exclude(name, other string) {
	if p.has(name) && p.has(other) {
		p.fail("Cannot specify both '%s' and '%s'", name, other)
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

// anyInteger is the lower bound of an integer without a bound.
const anyInteger = math.MinInt64

// number returns an integer, 0 if there is none.
func (p *parameters) number(name string) int64 { return p.integer(name, anyInteger, "integer") }

// integer returns a number that is at least least, 0 if there is none. expected describes it.
func (p *parameters) integer(name string, least int64, expected string) int64 {
	if !p.has(name) {
		return 0
	}
	value := p.fields[name]
	number, err := strconv.ParseInt(value.Raw, 10, 64)
	if value.Type != gjson.Number || err != nil || number < least {
		p.wrongType(name, expected)
	}
	return number
}

// decimal is [parameters.integer] for a number that may also be a text, as older clients write it.
func (p *parameters) decimal(name string, least int64, expected string) int64 {
	value := p.fields[name]
	if value.Type != gjson.String {
		return p.integer(name, least, expected)
	}
	number, err := strconv.ParseInt(value.Str, 10, 64)
	if err != nil || number < least {
		shown := value.Str[:min(len(value.Str), store.MaxNumberText)]
		p.fail("Invalid value given for '%s': %s", name, strconv.QuoteToASCII(shown))
	}
	return number
}

// time returns a required time in milliseconds.
func (p *parameters) time(name string) int64 {
	p.require(name)
	return p.milliseconds(name, p.integer(name, 0, "integer timestamp (in milliseconds)"))
}

func (p *parameters) milliseconds(name string, value int64) int64 {
	if value < minMilliseconds {
		p.fail("Invalid timestamp for '%s': timestamp must be in milliseconds", name)
	}
	return value
}

// list returns the elements of a required list, or the single value in its place.
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
	switch len(times) {
	case 0:
		p.fail("'%s' does not contain any expiration timestamps", name)
	case 1, count:
	default:
		p.fail("'%s' must be a single expiry, or the same length as 'messages'", name)
	}
	return times
}

// hashes returns the hashes called messages. It checks their form, not whether a message has them.
func (p *parameters) hashes() []string {
	hashes := p.messages()
	for _, hash := range hashes {
		if !isHashText(hash) {
			p.fail("invalid message hash: %s", strings.ToValidUTF8(hash[:min(len(hash), store.MaxNumberText)], ""))
		}
	}
	return hashes
}

// messages returns the texts called messages.
func (p *parameters) messages() (texts []string) {
	for _, element := range p.list("messages", gjson.String, "string array") {
		texts = append(texts, element.Str)
	}
	if len(texts) == 0 {
		p.fail("messages does not contain any message hashes")
	}
	return texts
}

// lastHash returns the hash after which a page begins, "" for the first page.
func (p *parameters) lastHash() string {
	p.exclude("last_hash", "lastHash")
	hash := p.text("last_hash")
	if hash == "" {
		hash = p.text("lastHash")
	}
	switch {
	case hash == "":
	case len(hash) != rpc28.HashTextLength:
		p.fail("Invalid last_hash: expected base64 (%d chars)", rpc28.HashTextLength)
	case !isHashText(hash):
		p.fail("Invalid last_hash: not base64")
	}
	return hash
}

func (p *parameters) namespace() rpc28.Namespace {
	number := p.integer("namespace", anyInteger, "16-bit integer")
	if number != int64(rpc28.Namespace(number)) {
		p.fail("Invalid value given for 'namespace': value out of range")
	}
	return rpc28.Namespace(number)
}

func (p *parameters) scope() rpc28.Scope {
	value := p.fields["namespace"]
	switch {
	case value.Type == gjson.String && value.Str == "all":
		return rpc28.Scope{All: true}
	case value.Type == gjson.String:
		p.wrongType("namespace", `integer or "all"`)
	}
	return rpc28.Scope{Namespace: p.namespace()}
}

// account is the owner of the box that a request is about.
type account struct {
	pubKey string // 66 lower-case hex digits
	prefix byte
	key    [32]byte
}

// account returns the account called pubkey.
func (p *parameters) account() account { return p.accountCalled("pubkey") }

// eitherAccount returns the account called pubkey or pubKey. Store, retrieve and get_swarm accept both names.
func (p *parameters) eitherAccount() account {
	p.exclude("pubkey", "pubKey")
	if p.has("pubKey") {
		return p.accountCalled("pubKey")
	}
	return p.account()
}

func (p *parameters) accountCalled(name string) (a account) {
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

// proof returns a required signature. It refuses subaccounts: see the package comment.
func (p *parameters) proof(a account) proof {
	p.require("signature")
	if p.text("subaccount") != "" {
		p.fail("this node does not support subaccounts")
	}
	signature, err := store.DecodeBase64(p.text("signature"))
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
	text := p.text("pubkey_ed25519")
	signer, ok := ring.ParseKey(text)
	switch {
	case len(text) != hex.EncodedLen(len(signer)):
		p.fail("Invalid pubkey_ed25519: expected 64 hex char or 32 byte pubkey")
	case !ok:
		p.fail("invalid pubkey_ed25519: value is not hex")
	}
	result.signer = signer
	return result
}

// covers reports whether the owner has signed text: with the account's key or, if the account is a Session ID, with the
// Ed25519 form of its key, which the request names.
func (p proof) covers(text []byte) bool {
	key := p.account.key
	if p.account.prefix == x25519.Prefix {
		converted, err := sessionid.PublicKeyFromEd25519(p.signer)
		if err != nil || converted != p.account.key {
			return false
		}
		key = p.signer
	}
	return len(p.signature) == xeddsa.SignatureSize &&
		xeddsa.VerifyStrict(key, text, [xeddsa.SignatureSize]byte(p.signature))
}

// appendJSON appends f as a JSON object with sorted names and without white space.
func (f fields) appendJSON(text []byte) []byte {
	text = append(text, '{')
	for i, name := range slices.Sorted(maps.Keys(f)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(gjson.AppendJSONString(text, name), ':')
		if value := f[name]; value.Type == gjson.JSON {
			var compact bytes.Buffer
			json.Compact(&compact, []byte(value.Raw)) // cannot fail: parseObject has checked it
			text = append(text, compact.Bytes()...)
		} else {
			text = append(text, value.Raw...)
		}
	}
	return append(text, '}')
}

// isHashText reports whether text has the form of a hash of 2.8. It also accepts base64 that is not canonical.
func isHashText(text string) bool {
	_, err := base64.RawStdEncoding.DecodeString(text)
	return err == nil && len(text) == rpc28.HashTextLength && !strings.ContainsAny(text, store.LineBreaks)
}
