package onion

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"sessiontool/lib/x25519"
)

// lengthSize is the size of the little-endian u32 that every level of version 2 begins with.
const lengthSize = 4

var errLength = errors.New("length field exceeds what is there")

// formatV2 is, at every level, length || that many bytes || JSON up to the end. The bytes are a sealed layer
// or, for the target, the payload.
type formatV2 struct{}

func (formatV2) final(payload []byte) ([]byte, error) {
	return append(withLength(payload), `{"headers":""}`...), nil
}

func (formatV2) layer(destination string, kind Cipher, ephemeral x25519.PublicKey, sealed []byte) []byte {
	text := append(withLength(sealed), '{')
	if destination != "" {
		text = fmt.Appendf(text, `"destination":"%s",`, destination)
	}
	text = fmt.Appendf(text, `"ephemeral_key":"%s"`, ephemeral)
	if kind != AESGCM {
		text = fmt.Appendf(text, `,"enc_type":"%s"`, kind)
	}
	return append(text, '}')
}

func (formatV2) parseBody(body []byte) (outer, error) {
	sealed, fields, err := splitLevel(body)
	if err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	ephemeral, err := fields.text("ephemeral_key")
	if err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	result := outer{ephemeral: ephemeral, sealed: sealed}
	if result.cipher, err = fields.cipher(); err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	if result.hops, err = fields.hops(); err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	return result, nil
}

// cipher reads how a layer is sealed.
func (o object) cipher() (Cipher, error) {
	if !o.has("enc_type") {
		return AESGCM, nil
	}
	name, err := o.text("enc_type")
	if err != nil {
		return "", err
	}
	return parseCipher(name)
}

// hops reads the number of nodes that a request says to have passed. Any number above MaxRelays is one above it, any below
// 0 is 0.
func (o object) hops() (int, error) {
	text, ok := o["hop_no"]
	if !ok {
		return 0, nil
	}
	hops, err := strconv.ParseInt(string(text), 10, 64)
	return int(max(min(hops, MaxRelays+1), 0)), err
}

// parseLayer lets the presence of "headers" decide that the layer is the last one (storage-2.0.md section 7.3).
func (formatV2) parseLayer(plaintext []byte) (Layer, error) {
	content, fields, err := splitLevel(plaintext)
	if err != nil {
		return Layer{}, err
	}
	switch {
	case fields.has("headers"):
		layer := Layer{Step: Final, Payload: content}
		layer.embed, layer.raw = string(fields["json"]) == "true", string(fields["base64"]) == "false"
		return layer, nil
	case fields.has("host"):
		return parseServer(fields)
	}
	destination, err := fields.text("destination")
	if err != nil {
		return Layer{}, err
	}
	ephemeral, err := fields.raw("ephemeral_key")
	if err != nil {
		return Layer{}, err
	}
	kind, err := fields.cipher()
	if err != nil {
		return Layer{}, err
	}
	body := fmt.Appendf(withLength(content), `{"ephemeral_key":%s`, ephemeral)
	if kind != AESGCM {
		body = fmt.Appendf(body, `,"enc_type":"%s"`, kind)
	}
	return Layer{Step: Relay, Destination: destination, Body: append(body, '}'), next: kind}, nil
}

// withLength returns length || content, with room for the JSON that follows.
func withLength(content []byte) []byte {
	level := make([]byte, 0, lengthSize+len(content)+200)
	level = binary.LittleEndian.AppendUint32(level, uint32(len(content)))
	return append(level, content...)
}

// splitLevel undoes withLength and reads the JSON behind. The length is compared with what is left, never added to:
// the 2020 server's 32-bit sum wraps and kills it (storage-2.0.md section 11).
func splitLevel(level []byte) ([]byte, object, error) {
	if len(level) < lengthSize {
		return nil, nil, errLength
	}
	rest := level[lengthSize:]
	length := binary.LittleEndian.Uint32(level)
	if uint64(length) > uint64(len(rest)) {
		return nil, nil, errLength
	}
	fields, err := parseObject(rest[length:])
	return rest[:length], fields, err
}
