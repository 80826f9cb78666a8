package pow_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/pow"
)

// TestVectorsClient replays the client's searches. The client also accepts a hash equal to the target. The probability
// of that is 2^-64, so its first nonce is that of Solve.
func TestVectorsClient(t *testing.T) {
	var recording struct {
		Cases []struct {
			Timestamp  uint64
			TTL        uint64
			PubKey     string `json:"pubkey"`
			Data       string
			Difficulty uint64 `json:"effective_difficulty"`
			Increment  uint64
			Start      uint64 `json:"start_nonce"`
			Nonce      string
			PayloadLen int         `json:"payload_length"`
			Inner      vectors.Hex `json:"payload_sha512"`
			Result     vectors.Hex `json:"result_sha512"`
			Target     string
		}
	}
	vectors.Load(t, "pow.json", &recording)
	for i, c := range recording.Cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			m := pow.Message{
				PubKey:    c.PubKey,
				Timestamp: strconv.FormatUint(c.Timestamp, 10),
				TTL:       strconv.FormatUint(c.TTL, 10),
				Data:      c.Data,
			}
			if m.PayloadLen() != c.PayloadLen {
				t.Errorf("payload has %d bytes, recorded %d", m.PayloadLen(), c.PayloadLen)
			}
			inner := m.Inner()
			if got := hex.EncodeToString(inner[:]); got != hex.EncodeToString(c.Inner) {
				t.Errorf("inner hash %s, recorded %x", got, c.Inner)
			}
			target := pow.Target(m.PayloadLen(), c.TTL, c.Difficulty)
			if got := fmt.Sprintf("%016x", target); got != c.Target {
				t.Errorf("target %s, recorded %s", got, c.Target)
			}
			nonce, err := pow.DecodeNonce(c.Nonce)
			if err != nil {
				t.Fatal(err)
			}
			hash, ok := pow.Verify(m, nonce, c.Difficulty)
			if !ok || hex.EncodeToString(hash[:]) != hex.EncodeToString(c.Result) {
				t.Errorf("verified %v with hash %x, recorded %x", ok, hash, c.Result)
			}
			if c.Increment != 1 {
				return // some nonces were left out, so the recorded one need not be the first
			}
			for _, kernel := range pow.Kernels() {
				solved, err := pow.Solve(t.Context(), inner, target, pow.Options{Start: c.Start, Kernel: kernel})
				if err != nil || pow.EncodeNonce(solved) != c.Nonce {
					t.Errorf("%s: solved to %s (%v), recorded %s", kernel.Name(), pow.EncodeNonce(solved), err, c.Nonce)
				}
			}
		})
	}
}

func TestVectorsTarget(t *testing.T) {
	var recording struct {
		Targets []struct {
			TTL        uint64
			PayloadLen int `json:"payload_length"`
			Difficulty uint64
			Target     string
		}
	}
	vectors.Load(t, "pow.json", &recording)
	for _, c := range recording.Targets {
		if got := fmt.Sprintf("%016x", pow.Target(c.PayloadLen, c.TTL, c.Difficulty)); got != c.Target {
			t.Errorf("%d bytes for %d ms at %d: target %s, recorded %s", c.PayloadLen, c.TTL, c.Difficulty, got,
				c.Target)
		}
	}
}

// TestVectorsServer checks every store request whose nonce the storage server checked, and that the hash of an accepted
// request is the hash with which the server returned the message.
func TestVectorsServer(t *testing.T) {
	type owned struct{ pubKey, data string }
	hashes := map[owned]map[string]bool{}
	judged, served, others := 0, 0, 0
	for _, x := range serverExchanges(t) {
		if x.method == "retrieve" && x.status == 200 {
			for _, message := range x.response.Messages {
				switch known := hashes[owned{x.params["pubKey"], message.Data}]; {
				case known[message.Hash]:
					served++
				case known != nil:
					others++ // stored with another nonce in a row that a part of the recording lacks
				}
			}
		}
		// The server gave any other status before it checked the nonce.
		if x.method != "store" || x.status != 200 && x.status != 432 {
			continue
		}
		judged++
		m := pow.Message{
			PubKey:    x.params["pubKey"],
			Timestamp: x.params["timestamp"],
			TTL:       x.params["ttl"],
			Data:      x.params["data"],
		}
		hash, ok := pow.Verify(m, pow.DecodeNonceLenient(x.params["nonce"]), x.response.Difficulty)
		if ok != (x.status == 200) {
			t.Errorf("row %d (%s): verified %v, server answered %d", x.row, x.note, ok, x.status)
		}
		if ok {
			key := owned{m.PubKey, m.Data}
			if hashes[key] == nil {
				hashes[key] = map[string]bool{}
			}
			hashes[key][hex.EncodeToString(hash[:])] = true
		}
	}
	if served == 0 && others > 0 {
		t.Errorf("no message came back by the hash of its store, and %d by another one", others)
	}
	if judged == 0 || served == 0 {
		vectors.Missing(t, "recording has %d judged requests and %d of their messages", judged, served)
	}
}

// exchange is a request to the storage server with its response.
type exchange struct {
	row      int
	note     string
	method   string
	params   map[string]string
	status   int
	response struct {
		Difficulty uint64
		Messages   []struct{ Hash, Data string }
	}
}

// serverExchanges returns the store and retrieve requests, direct and in onions. It leaves out requests that are not
// JSON or whose parameters are not strings, because the server did not check their nonce.
func serverExchanges(t *testing.T) []exchange {
	t.Helper()
	recording, err := os.Open(vectors.Path(t, "node-2020.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	var exchanges []exchange
	lines := bufio.NewScanner(recording)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var row struct {
			N            int
			Note         string
			RequestBody  struct{ Text string } `json:"request_body"`
			ResponseBody struct{ Text string } `json:"response_body"`
			Status       int
			InnerRequest string `json:"inner_request"`
			Opened       struct {
				Body   string
				Status int
			} `json:"opened_response"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		asked, answered := row.RequestBody.Text, row.ResponseBody.Text
		x := exchange{row: row.N, note: row.Note, status: row.Status}
		if row.InnerRequest != "" {
			asked, answered, x.status = row.InnerRequest, row.Opened.Body, row.Opened.Status
		}
		var request struct {
			Method string
			Params map[string]string
		}
		if json.Unmarshal([]byte(asked), &request) != nil {
			continue
		}
		x.method, x.params = request.Method, request.Params
		if x.method != "store" && x.method != "retrieve" {
			continue
		}
		if x.status == 200 || x.status == 432 {
			if err := json.Unmarshal([]byte(answered), &x.response); err != nil {
				t.Fatalf("row %d: %v", x.row, err)
			}
		}
		exchanges = append(exchanges, x)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return exchanges
}
