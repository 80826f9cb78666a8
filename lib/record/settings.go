package record

// Setting is a global setting. Origin is flag, environment, file or default. Source names the flag, the variable or the
// file. Only --origin fills in both.
type Setting struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin,omitempty"`
	Source string `json:"source,omitempty"`
}

// Config has the path of the config file, which need not exist.
type Config struct {
	Type   string `json:"type"`
	File   string `json:"file"`
	Exists bool   `json:"exists"`
}

// Check is one check of doctor. Hint says what to do if it is not ok. A check that was skipped, because an earlier one
// failed, is not ok either.
type Check struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped"`
	Detail  string `json:"detail"`
	Code    string `json:"code"`
	Hint    string `json:"hint"`
	Millis  int64  `json:"ms"`
}

// Clock compares this machine's clock with the network's. OffsetMS is how far the network is ahead. It is known to a
// second, and an offset below two seconds counts as none. Source is nodes or seeds: the Voices that determine the
// network's time.
type Clock struct {
	Type      string `json:"type"`
	OK        bool   `json:"ok"`
	OffsetMS  int64  `json:"offset_ms"`
	LimitMS   int64  `json:"limit_ms"`
	MachineAt string `json:"machine_at"`
	NetworkAt string `json:"network_at"`

	Source string  `json:"source"`
	Voices []Voice `json:"voices"`
}

// Voice is the time of one node or seed.
type Voice struct {
	Source   string `json:"source"`
	Name     string `json:"name"`
	How      string `json:"how"`
	OffsetMS int64  `json:"offset_ms"`
}

// ErrorCode is a row of the table of codes.
type ErrorCode struct {
	Type      string `json:"type"`
	Code      string `json:"code"`
	ExitCode  int    `json:"exit_code"`
	Retryable bool   `json:"retryable"`
	Meaning   string `json:"meaning"`
	Hint      string `json:"hint"`
}

// Schema has the JSON Schema of a record.
type Schema struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Summary string `json:"summary"`
	Input   bool   `json:"input"`
	Output  bool   `json:"output"`
	Schema  any    `json:"schema"`
}
