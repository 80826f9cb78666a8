package record

// Marks of a list of service nodes that the seeds have not given lately.
const (
	ListOld    = "old"
	ListImport = "import"
)

// NodeStatus is how one of a devnet's nodes is. Fill is which share of its room for messages is used, 0 if the room is
// not limited. The counts are zero while the node does not run.
type NodeStatus struct {
	Type          string   `json:"type"`
	Index         int      `json:"index"`
	PubkeyEd25519 string   `json:"pubkey_ed25519"`
	IP            string   `json:"ip"`
	Port          int      `json:"port"`
	SwarmID       string   `json:"swarm_id,omitempty"`
	Version       string   `json:"version"`
	Health        string   `json:"health"`
	Messages      int      `json:"messages"`
	Bytes         int64    `json:"bytes"`
	MaxBytes      int64    `json:"max_bytes"`
	Fill          float64  `json:"fill"`
	Pending       int      `json:"pending"`
	Listeners     int      `json:"listeners"`
	Faults        []string `json:"faults"`
	Error         string   `json:"error,omitempty"`
}

// NodeList describes the list of service nodes that a client keeps of a network. Source is seeds, import or none. An
// import is signed by nobody, and VouchedBy says so: it is nobody then, and seeds for a list on which the seeds agreed.
type NodeList struct {
	Type          string   `json:"type"`
	Network       string   `json:"network"`
	Source        string   `json:"source"`
	VouchedBy     string   `json:"vouched_by"`
	Nodes         int      `json:"nodes"`
	At            string   `json:"at,omitempty"`
	AgeMS         int64    `json:"age_ms,omitempty"`
	Old           bool     `json:"old"`
	SeedsFailedAt string   `json:"seeds_failed_at,omitempty"`
	Seeds         []string `json:"seeds"`
	Pinned        []string `json:"pinned"`
	Generation    string   `json:"generation,omitempty"`
	ClockOffsetMS int64    `json:"clock_offset_ms"`
	Proxy         string   `json:"proxy,omitempty"`
	File          string   `json:"file,omitempty"`
}
