package devnet

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/syncroute"
)

// methods are those of the storage RPC.
var methods = []string{
	storage.MethodStore, storage.MethodRetrieve, storage.MethodSwarm, syncroute.MethodListen, syncroute.MethodDeliver,
}

// asked describes a request to a node.
type asked struct {
	endpoint string
	// method is that of the storage RPC, if the request ends at this node, directly or in an onion, and a fault depends
	// on it.
	method string
	// reply answers in the node's place. It is set with method.
	reply func(w http.ResponseWriter, status int, contentType string, body []byte)
}

// needsMethod reports whether one of the faults depends on the method of a request.
func (faults faultSet) needsMethod() bool {
	for kind, fault := range faults {
		if kind == FaultWrongSwarm || kind == FaultNoMethod || fault.ofMethod() {
			return true
		}
	}
	return false
}

// inspect describes a request. It leaves the body readable.
func (in *injector) inspect(w http.ResponseWriter, r *http.Request, faults faultSet) asked {
	found := asked{endpoint: meter.EndpointOf(r.URL.Path)}
	var version onion.Version
	switch path := r.URL.Path; {
	case r.Method != http.MethodPost || !faults.needsMethod():
		return found
	case path == onion.V1.Path():
		version = onion.V1
	case path == onion.V2.Path():
		version = onion.V2
	case path != storage.RPCPath:
		return found
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, storage.MaxBodyBytes))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if version == 0 {
		found.method, found.reply = methodOf(body), in.write
		return found
	}
	layer, err := onion.Open(version, in.keys.X25519, body)
	if err != nil || layer.Step != onion.Final {
		return found // the node refuses or relays it
	}
	found.method = methodOf(layer.Payload)
	found.reply = func(w http.ResponseWriter, status int, _ string, body []byte) {
		sealed, err := layer.SealResponse(rand.Reader, status, string(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		in.write(w, http.StatusOK, "", sealed)
	}
	return found
}

// methodOf reads the method of a storage request, which is empty if it has none.
func methodOf(request []byte) string {
	var call struct {
		Method string `json:"method"`
	}
	if json.Unmarshal(request, &call) != nil {
		return ""
	}
	return call.Method
}

func (in *injector) write(w http.ResponseWriter, status int, contentType string, body []byte) {
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	in.like.SetHeader(w.Header(), in.now())
	w.WriteHeader(status)
	w.Write(body) // the client notices an error
}

// wrongSwarm returns the answer of a node of another swarm, or of a node with a wrong view of the owner's swarm. It
// returns false if the request is no storage request.
func (in *injector) wrongSwarm(what asked) (status int, body []byte, ok bool) {
	switch what.method {
	case storage.MethodStore, storage.MethodRetrieve, syncroute.MethodListen, syncroute.MethodDeliver:
		status = storage.StatusWrongSwarm
	case storage.MethodSwarm:
		status = storage.StatusOK
	default:
		return 0, nil, false
	}
	body, err := json.Marshal(rpc20.SwarmAnswer{Snodes: in.others()})
	return status, body, err == nil
}
