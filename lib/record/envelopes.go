package record

// Envelope is a message between sealing and storing, or as a swarm returned it. Nonce is the base64 of 8 bytes.
type Envelope struct {
	Type         string `json:"type"`
	To           string `json:"to"`
	TimestampMS  int64  `json:"timestamp_ms"`
	TTLMillis    int64  `json:"ttl_ms"`
	DataBase64   string `json:"data_base64"`
	Nonce        string `json:"nonce,omitempty"`
	Difficulty   int64  `json:"difficulty,omitempty"`
	MessageHash  string `json:"message_hash,omitempty"`
	ExpirationMS int64  `json:"expiration_ms,omitempty"`
	Ref          string `json:"ref,omitempty"`
}

// EnvelopeInfo is what envelope inspect reads without a key.
type EnvelopeInfo struct {
	Type         string `json:"type"`
	Kind         string `json:"kind"`
	KindNumber   int    `json:"kind_number"`
	From         string `json:"from"`
	TimestampMS  int64  `json:"timestamp_ms"`
	ContentBytes int    `json:"content_bytes"`
	DataBytes    int    `json:"data_bytes"`
	Ref          string `json:"ref,omitempty"`
}

// Pow is the result of pow verify or pow estimate.
type Pow struct {
	Type            string  `json:"type"`
	Valid           *bool   `json:"valid,omitempty"`
	Difficulty      int64   `json:"difficulty"`
	TargetHex       string  `json:"target_hex"`
	MessageHash     string  `json:"message_hash,omitempty"`
	PayloadBytes    int     `json:"payload_bytes"`
	ExpectedHashes  uint64  `json:"expected_hashes"`
	HashesPerSecond float64 `json:"hashes_per_second,omitempty"`
	ExpectedMillis  float64 `json:"expected_ms,omitempty"`
	P50Millis       float64 `json:"p50_ms,omitempty"`
	P90Millis       float64 `json:"p90_ms,omitempty"`
	P99Millis       float64 `json:"p99_ms,omitempty"`
	Workers         int     `json:"workers,omitempty"`
	Ref             string  `json:"ref,omitempty"`
}

// PowBench is the speed of one kernel with Workers goroutines. Ratio compares it with the crypto/sha512 loop on one
// core.
type PowBench struct {
	Type            string  `json:"type"`
	Kernel          string  `json:"kernel"`
	Workers         int     `json:"workers"`
	HashesPerSecond float64 `json:"hashes_per_second"`
	Ratio           float64 `json:"ratio"`
}
