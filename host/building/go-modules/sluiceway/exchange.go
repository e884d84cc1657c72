package sluiceway

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// Exchange is one request and its response, as a plugin sees them.
type Exchange struct {
	Request  *Message
	Response *Message
	// Answer is what goes to the client instead of an upstream's response, once it has been written to.
	Answer *Answer
	// ResponseHeader are fields for the response that is to come, given in the request phase.
	ResponseHeader http.Header
	id             uint32
	context        *httpContext
	isAnswered     bool // Answer has been sent
	isOver         bool // nothing more comes
	isGone         bool // the host knows it no more
	waiting        int  // goroutines of the plugin that wait for the host
	news           chan struct{}
	standard       context.Context
	cancel         context.CancelFunc
}

// IsAnswered tells whether the plugin has answered in the request phase.
func (e *Exchange) IsAnswered() bool { return e.isAnswered }

// applyResponseHeader adds the fields that were given before there was a response.
func (e *Exchange) applyResponseHeader() {
	for _, name := range Sorted(e.ResponseHeader) {
		for _, value := range e.ResponseHeader[name] {
			if err := proxywasm.AddHttpResponseHeader(name, value); err != nil {
				proxywasm.LogErrorf("response field %s cannot be added: %v", name, err)
			}
		}
	}
}

// ComingHeader returns ResponseHeader, to be changed.
func (e *Exchange) ComingHeader() http.Header {
	if e.ResponseHeader == nil {
		e.ResponseHeader = http.Header{}
	}
	return e.ResponseHeader
}

// Sorted returns the names of fields, or other keys, in their order.
func Sorted[Map ~map[string]V, V any](named Map) []string {
	return slices.Sorted(maps.Keys(named))
}

// Context returns a context that ends with the exchange.
func (e *Exchange) Context() context.Context {
	if e.standard == nil {
		e.standard, e.cancel = context.WithCancel(context.WithValue(context.Background(), exchangeKey{}, e))
	}
	return e.standard
}

type exchangeKey struct{}

// end tells what waits that nothing more comes.
func (e *Exchange) end() {
	e.isOver = true
	e.wake()
	if e.cancel != nil {
		e.cancel()
	}
}
