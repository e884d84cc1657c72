// Package calls has the clients of net/http send by the host. It is for plugins that have such clients alone: they are a
// third of such a plugin's size.
package calls

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net/http"
	"sluiceway"
	"strconv"
	"strings"
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// callTimeout is how long a call may take whose context says nothing.
const callTimeout = 5 * time.Second

// transport sends the requests of net/http's clients by the host: there are no sockets. The host of the URL is the name
// of an upstream, or an address that the gateway lets the plugin call.
type transport struct{}

func init() {
	standard := http.DefaultTransport.(*http.Transport)
	standard.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // or it registers HTTP/2 for https
	standard.RegisterProtocol("http", transport{})
	standard.RegisterProtocol("https", transport{})
}

// RoundTrip sends a request and waits for its response.
func (transport) RoundTrip(r *http.Request) (*http.Response, error) {
	e := sluiceway.ExchangeOf(r.Context())
	if e == nil {
		return nil, fmt.Errorf("%s: calls are made for requests, and there is none", r.URL.Host)
	}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	call, wasOver := &call{}, e.IsOver()
	done := func(fields, _, _ int) { e.GoOn(func() { call.take(fields) }) }
	timeout := uint32(min(timeLeft(r.Context()).Milliseconds(), math.MaxInt32))
	err := e.Dispatch(func() error {
		_, err := proxywasm.DispatchHttpCall(r.URL.Host, head(r), body, nil, timeout, done)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be called: %w", r.URL.Host, err)
	}
	for !call.isDone {
		if e.IsOver() != wasOver {
			return nil, sluiceway.ErrEnded
		}
		e.Block()
	}
	return call.response(r)
}

func timeLeft(ctx context.Context) time.Duration {
	if deadline, has := ctx.Deadline(); has {
		return max(time.Until(deadline), time.Millisecond)
	}
	return callTimeout
}

func head(r *http.Request) [][2]string {
	authority := r.Host
	if authority == "" {
		authority = r.URL.Host
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	fields := [][2]string{
		{":method", method}, {":path", r.URL.RequestURI()}, {":authority", authority}, {":scheme", r.URL.Scheme},
	}
	for _, name := range sluiceway.Sorted(r.Header) {
		for _, value := range r.Header[name] {
			fields = append(fields, [2]string{strings.ToLower(name), value})
		}
	}
	return fields
}

// call is a call of the host's and its outcome.
type call struct {
	isDone bool
	fields [][2]string
	body   []byte
	err    error
}

// take keeps the outcome, which can be read in the callback alone.
func (c *call) take(fields int) {
	c.isDone = true
	c.fields, c.err = proxywasm.GetHttpCallResponseHeaders()
	if fields > 0 && c.err == nil {
		c.body, _ = proxywasm.GetHttpCallResponseBody(0, math.MaxInt32)
	}
}

func (c *call) response(r *http.Request) (*http.Response, error) {
	header := make(http.Header, len(c.fields))
	status, reason := 0, "no response"
	for _, field := range c.fields {
		switch {
		case field[0] == ":status":
			status, _ = strconv.Atoi(field[1])
		case field[0] == ":dispatch_status":
			reason = field[1]
		case !strings.HasPrefix(field[0], ":"):
			header.Add(field[0], field[1])
		}
	}
	if c.err != nil || status == 0 {
		return nil, fmt.Errorf("%s: %s", r.URL.Host, reason)
	}
	return &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(c.body)),
		ContentLength: int64(len(c.body)),
		Request:       r,
	}, nil
}
