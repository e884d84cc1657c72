// Package request changes the request that goes to the service.
package request

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/Kong/go-pdk/bridge"
)

// Request is kong.ServiceRequest.
type Request struct{ bridge.PdkBridge }

// SetScheme is supported for the scheme that the request has: the upstream's is the gateway's to say.
func (r Request) SetScheme(scheme string) error {
	if has, _ := r.Exchange.Variable("scheme"); has == scheme {
		return nil
	}
	return bridge.Unsupported("kong.service.request.set_scheme")
}

// SetPath replaces the path; the query stays.
func (r Request) SetPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("path must start with /: %s", path)
	}
	_, query, has := r.path()
	if has {
		path += "?" + query
	}
	return r.Exchange.Request.Set(":path", path)
}

// SetRawQuery replaces the query.
func (r Request) SetRawQuery(query string) error {
	path, _, _ := r.path()
	if query != "" {
		path += "?" + query
	}
	return r.Exchange.Request.Set(":path", path)
}

// SetMethod replaces the method.
func (r Request) SetMethod(method string) error { return r.Exchange.Request.Set(":method", method) }

// SetQuery replaces the query by parameters, in the order of their names.
func (r Request) SetQuery(query map[string][]string) error {
	return r.SetRawQuery(url.Values(query).Encode())
}

// SetHeader replaces all values of a field.
func (r Request) SetHeader(name string, value string) error {
	return r.Exchange.Request.Set(bridge.FieldName(name), value)
}

// AddHeader adds a field.
func (r Request) AddHeader(name string, value string) error {
	if strings.EqualFold(name, "host") {
		return r.SetHeader(name, value)
	}
	return r.Exchange.Request.Add(name, value)
}

// ClearHeader removes a field.
func (r Request) ClearHeader(name string) error { return r.Exchange.Request.Remove(name) }

// SetHeaders replaces fields; an empty list removes one.
func (r Request) SetHeaders(headers map[string][]string) error {
	return bridge.SetFields(r.Exchange.Request, headers)
}

// SetRawBody replaces the content.
func (r Request) SetRawBody(body string) error {
	r.Exchange.Request.SetBody([]byte(body))
	return nil
}

func (r Request) path() (path, query string, hasQuery bool) {
	whole, _ := r.Exchange.Request.Get(":path")
	return strings.Cut(whole, "?")
}
