// Package http has the interfaces of what a plugin of the runner is given.
package http

import (
	"context"
	"net"
	"net/http"
	"net/url"
)

// Header are fields of a request or a response, by names of any case.
type Header interface {
	// Set replaces all values of a field.
	Set(key, value string)
	// Del removes a field.
	Del(key string)
	// Get returns the first value of a field; empty without one.
	Get(key string) string
	// View returns all fields, to be read.
	View() http.Header
}

// Request is the request as it goes to the upstream.
type Request interface {
	// ID returns a number of the request, from 1.
	ID() uint32
	// SrcIP returns the client's address.
	SrcIP() net.IP
	// Method returns the method.
	Method() string
	// Path returns the path without the query.
	Path() []byte
	// SetPath replaces the path; the query stays.
	SetPath([]byte)
	// Header returns the fields; what is changed in them goes to the upstream.
	Header() Header
	// Args returns the parameters of the query; what is changed in them goes to the upstream.
	Args() url.Values
	// Var returns a variable of nginx by its name; empty for one that is not known.
	Var(name string) ([]byte, error)
	// Body returns the content, for which it waits.
	Body() ([]byte, error)
	// SetBody replaces the content.
	SetBody([]byte)
	// Context returns the context of the request.
	Context() context.Context
	// RespHeader returns fields that the response will have.
	RespHeader() http.Header
}

// Response is the upstream's response as it goes to the client.
type Response interface {
	// ID returns a number of the request, from 1.
	ID() uint32
	// StatusCode returns the status.
	StatusCode() int
	// Header returns the fields; what is changed in them goes to the client.
	Header() Header
	// Var returns a variable of nginx by its name; empty for one that is not known.
	Var(name string) ([]byte, error)
	// ReadBody returns the upstream's content, for which it waits.
	ReadBody() ([]byte, error)
	// Write adds to the content that takes the place of the upstream's.
	Write(b []byte) (int, error)
	// WriteHeader sets the status; the first one counts.
	WriteHeader(statusCode int)
}
