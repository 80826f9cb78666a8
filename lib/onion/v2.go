package onion

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"sessiontool/lib/x25519"
)

// lengthSize is the size of the little-endian uint32 at the start of every level of version 2.
const lengthSize = 4

var errLength = errors.New("length field exceeds the remaining bytes")

// formatV2 has at every level a length, that many bytes, and a JSON object up to the end. The bytes are an encrypted
// layer or, for the target, the payload.
type formatV2 struct{}

func (formatV2) final(payload []byte, layers int) (*layerText, error) {
	final := newText(lengthSize+len(payload), layers)
	final.buffer = binary.LittleEndian.AppendUint32(final.buffer, uint32(len(payload)))
	final.buffer = append(append(final.buffer, payload...), `{"headers":""}`...)
	return final, nil
}

func (formatV2) layer(destination string, kind Cipher, ephemeral x25519.PublicKey, sealed *layerText) {
	size := uint32(len(sealed.content()))
	binary.LittleEndian.PutUint32(sealed.before(lengthSize), size)
	body := append(sealed.buffer, '{')
	if destination != "" {
		body = fmt.Appendf(body, `"destination":"%s",`, destination)
	}
	body = append(append(append(body, `"ephemeral_key":"`...), ephemeral.String()...), '"')
	if kind != AESGCM {
		body = fmt.Appendf(body, `,"enc_type":"%s"`, kind)
	}
	sealed.buffer = append(body, '}')
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

// cipher decodes the cipher of a layer.
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

// hops decodes the number of earlier hops that a request claims. It limits the number to 0 and MaxRelays+1.
func (o object) hops() (int, error) {
	text, ok := o["hop_no"]
	if !ok {
		return 0, nil
	}
	hops, err := strconv.ParseInt(string(text), 10, 64)
	return int(max(min(hops, MaxRelays+1), 0)), err
}

// parseLayer takes a layer with "headers" for the target's layer (storage-2.0.md section 7.3). The result uses the
// memory of plaintext.
func (formatV2) parseLayer(plaintext []byte) (Layer, error) {
	content, fields, err := splitLevel(plaintext)
	if err != nil {
		return Layer{}, err
	}
	switch {
	case fields.has("headers"):
		layer := Layer{Step: Final, Payload: content}
		layer.embed, layer.raw = string(fields["json"]) == "true", string(fields["base64"]) == "false"
		layer.pad = fields.has(padMember)
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
	// The length and the content stay where they are. What follows them is replaced.
	ephemeral = bytes.Clone(ephemeral)
	body := append(plaintext[:lengthSize+len(content)], `{"ephemeral_key":`...)
	body = append(body, ephemeral...)
	if kind != AESGCM {
		body = fmt.Appendf(body, `,"enc_type":"%s"`, kind)
	}
	return Layer{Step: Relay, Destination: destination, Body: append(body, '}'), next: kind}, nil
}

// splitLevel returns the content of a level, and decodes the JSON object behind it. It compares the length with the
// number of remaining bytes without an addition. The 2020 server adds, its 32-bit sum wraps, and the server crashes
// (storage-2.0.md section 11).
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
