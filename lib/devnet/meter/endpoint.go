package meter

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/metrics"
)

// Path is the path of an [Endpoint].
const Path = "/metrics"

// Endpoint is an HTTP endpoint for a Prometheus server.
type Endpoint struct {
	server *http.Server
	url    string
	done   chan struct{}
}

// Serve answers GET [Path] at address, a host and port, with the output of source. [Endpoint.Close] ends
// it.
func Serve(
	address string, source interface{ WriteMetrics(io.Writer) error }, log *slog.Logger,
) (*Endpoint, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		if err := source.WriteMetrics(w); err != nil {
			log.Warn("writing metrics", "error", err)
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
	})
	e := &Endpoint{
		server: &http.Server{
			Handler:     clients.RefuseBrowsers(mux),
			ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		},
		url: "http://" + listener.Addr().String() + Path, done: make(chan struct{}),
	}
	go func() {
		defer close(e.done)
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics endpoint has stopped", "error", err)
		}
	}()
	return e, nil
}

// URL returns the URL of the metrics.
func (e *Endpoint) URL() string { return e.url }

// Close ends the endpoint. It lets running scrapes finish until ctx ends.
func (e *Endpoint) Close(ctx context.Context) error {
	err := e.server.Shutdown(ctx)
	if err != nil {
		err = e.server.Close()
	}
	<-e.done
	return err
}
