package sluiceway

import (
	"fmt"
	"net/http"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// Answer is an http.ResponseWriter whose content goes to the client when the plugin has returned.
type Answer struct {
	header http.Header
	sent   http.Header // as it was when the status was written, as in net/http
	status int
	body   []byte
}

// Written tells whether there is an answer: a status or content. Fields alone are none.
func (a *Answer) Written() bool { return a.status != 0 }

// Status returns the status that was written; 0 without one.
func (a *Answer) Status() int { return a.status }

// Header returns the fields that the answer will have.
func (a *Answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// WriteHeader sets the status. The first one counts; informational ones have nowhere to go.
func (a *Answer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if a.status != 0 || status < 200 {
		return
	}
	a.status = status
	a.sent = a.header.Clone()
}

// Write adds to the content, with the status 200 if there is none.
func (a *Answer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, data...)
	return len(data), nil
}

// WriteString adds to the content.
func (a *Answer) WriteString(text string) (int, error) { return a.Write([]byte(text)) }

// Flush does nothing: an answer leaves as a whole.
func (a *Answer) Flush() {}

func (a *Answer) send() error {
	if len(a.body) > 0 && a.sent.Get("Content-Type") == "" {
		if a.sent == nil {
			a.sent = http.Header{}
		}
		a.sent.Set("Content-Type", http.DetectContentType(a.body))
	}
	fields := [][2]string{}
	for _, name := range Sorted(a.sent) {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Length", "Transfer-Encoding", "Connection":
			continue // framing is the host's
		}
		for _, value := range a.sent[name] {
			fields = append(fields, [2]string{name, value})
		}
	}
	return proxywasm.SendHttpResponse(uint32(a.status), fields, a.body, -1)
}
