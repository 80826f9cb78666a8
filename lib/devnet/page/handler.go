package page

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/internal/clients"
)

// policy allows the page its own script, style and pictures, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// handler serves the page.
func (p *Page) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.serveDocument)
	mux.HandleFunc("GET /parts/node", p.servePart(document.node))
	mux.HandleFunc("GET /parts/figures", p.servePart(document.figures))
	mux.HandleFunc("GET /events", p.serveEvents)
	mux.HandleFunc("GET /past", p.servePast)
	mux.HandleFunc("POST /actions", p.serveAction)
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.HandlerFunc(serveAsset)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if text, status := p.refusal(r); status != 0 {
			if status == http.StatusUnauthorized {
				header.Set("WWW-Authenticate", `Basic realm="sessiontool page: the token is the password"`)
			}
			http.Error(w, text, status)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// refusal returns why a request is not served, and the status that says so, 0 for one that is served.
func (p *Page) refusal(r *http.Request) (text string, status int) {
	switch {
	case !p.limiter.Allow(r.RemoteAddr, time.Now()):
		return "too many requests", http.StatusTooManyRequests
	case p.hosts != nil && !slices.Contains(p.hosts, strings.ToLower(r.Host)):
		return "this page has another address", http.StatusMisdirectedRequest
	case !isNavigation(r) && clients.FromBrowser(r):
		return "requests from other pages are refused", http.StatusForbidden
	case p.options.Remote && !p.authorized(r):
		return "the token is not this network's", http.StatusUnauthorized
	}
	return "", 0
}

// isNavigation reports whether a browser opens the page itself, as from a link on another page. That gives the other
// page nothing.
func isNavigation(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Origin") == "" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// authorized reports whether a request has the token: as a bearer, or as the password that a browser asks for.
func (p *Page) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, token, ok = r.BasicAuth()
	}
	return ok && p.options.Token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(p.options.Token)) == 1
}

// serveEvents sends what happens, as server-sent events.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request) {
	s := p.collector.open()
	if s == nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer p.collector.leave(s)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case message, open := <-s.frames:
			if !open {
				return
			}
			if control.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
				return
			}
			if _, err := w.Write(message); err != nil || control.Flush() != nil {
				return // the client is gone
			}
		}
	}
}

// servePast answers with one second of the history, named by its Unix time.
func (p *Page) servePast(w http.ResponseWriter, r *http.Request) {
	at, err := strconv.ParseInt(r.FormValue("second"), 10, 64)
	if err != nil {
		http.Error(w, "second is no number", http.StatusBadRequest)
		return
	}
	text := p.collector.past(at)
	if text == nil {
		http.Error(w, "nothing is known of this time", http.StatusNotFound)
		return
	}
	p.write(w, "application/json", text)
}

func (p *Page) write(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		p.options.Logger.Debug("setting the deadline of an answer", "error", err)
	}
	w.Write(body) // the client notices an error
}

// readAction reads the body within readTimeout. The server has no such limit, because streams have no end.
func readAction(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	err := control.SetReadDeadline(time.Now().Add(readTimeout))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxActionBytes))
	return body, errors.Join(err, control.SetReadDeadline(time.Time{}))
}

// serveAction makes a change. Its request needs the token, and comes from the page itself or from no page.
func (p *Page) serveAction(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case p.options.Controls == nil:
		http.Error(w, "nothing can be changed here", http.StatusForbidden)
		return
	case !p.authorized(r):
		http.Error(w, "the token is not this network's", http.StatusForbidden)
		return
	case err != nil || kind != "application/json":
		http.Error(w, "an action is application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := readAction(w, r)
	if err != nil {
		http.Error(w, "the action cannot be read", http.StatusBadRequest)
		return
	}
	a, err := parseAction(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done, err := p.act(r.Context(), a)
	p.collector.poke()
	switch {
	case errors.Is(err, errAction):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text, err := json.Marshal(done)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	p.write(w, "application/json", text)
}
