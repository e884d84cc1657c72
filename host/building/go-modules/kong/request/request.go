// Package request tells about the client's request.
package request

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/Kong/go-pdk/bridge"
)

// Request is kong.Request. Forwarded fields are believed: the gateway passes on those of its own, or of those it trusts.
type Request struct{ bridge.PdkBridge }

// GetScheme returns http or https.
func (r Request) GetScheme() (s string, err error) { return r.variable("scheme") }

// GetHost returns the host that is asked for, without port, in lower case.
func (r Request) GetHost() (host string, err error) { return r.variable("host") }

// GetPort returns the port that the client has connected to.
func (r Request) GetPort() (int, error) {
	port, _ := r.variable("server_port")
	return strconv.Atoi(port)
}

// GetForwardedScheme returns the scheme that a proxy before the gateway tells, or the request's own.
func (r Request) GetForwardedScheme() (s string, err error) {
	if value, _ := r.GetHeader("x-forwarded-proto"); value != "" {
		return strings.ToLower(value), nil
	}
	return r.GetScheme()
}

// GetForwardedHost returns the host that a proxy before the gateway tells, or the request's own.
func (r Request) GetForwardedHost() (host string, err error) {
	if value, _ := r.GetHeader("x-forwarded-host"); value != "" {
		if name, _, err := net.SplitHostPort(value); err == nil {
			value = name
		}
		return strings.ToLower(value), nil
	}
	return r.GetHost()
}

// GetForwardedPort returns the port that a proxy before the gateway tells, or the request's own.
func (r Request) GetForwardedPort() (int, error) {
	if value, _ := r.GetHeader("x-forwarded-port"); value != "" {
		return strconv.Atoi(value)
	}
	return r.GetPort()
}

// GetHttpVersion returns 1.0, 1.1 or 2.0.
func (r Request) GetHttpVersion() (version float64, err error) {
	protocol, _ := r.variable("server_protocol")
	return strconv.ParseFloat(strings.TrimPrefix(protocol, "HTTP/"), 64)
}

// GetMethod returns the method.
func (r Request) GetMethod() (m string, err error) { return r.pseudo(":method"), nil }

// GetPath returns the path without the query.
func (r Request) GetPath() (string, error) {
	path, _, _ := strings.Cut(r.pseudo(":path"), "?")
	return path, nil
}

// GetPathWithQuery returns the path with the query.
func (r Request) GetPathWithQuery() (string, error) { return r.pseudo(":path"), nil }

// GetRawQuery returns the query as it came, without the question mark.
func (r Request) GetRawQuery() (string, error) {
	_, query, _ := strings.Cut(r.pseudo(":path"), "?")
	return query, nil
}

// GetQueryArg returns the first value of a parameter; empty without one.
func (r Request) GetQueryArg(k string) (string, error) {
	query, _ := r.GetRawQuery()
	values, _ := url.ParseQuery(query)
	return values.Get(k), nil
}

// GetQuery returns the parameters, `max_args` of them.
func (r Request) GetQuery(max_args int) (map[string][]string, error) {
	most, err := bridge.Limit(max_args)
	if err != nil {
		return nil, err
	}
	query, _ := r.GetRawQuery()
	found := map[string][]string{}
	for _, pair := range strings.SplitN(query, "&", most+1) {
		if most--; most < 0 {
			break
		}
		values, _ := url.ParseQuery(pair)
		for name, given := range values {
			found[name] = append(found[name], given...)
		}
	}
	return found, nil
}

// GetHeader returns the first value of a field; empty without one.
func (r Request) GetHeader(k string) (string, error) {
	return bridge.Field(r.Exchange.Request, bridge.FieldName(k))
}

// GetHeaders returns the fields by their names in lower case, `max_headers` of them.
func (r Request) GetHeaders(max_headers int) (map[string][]string, error) {
	return bridge.Fields(r.Exchange.Request, max_headers)
}

// GetRawBody returns the content, for which it waits.
func (r Request) GetRawBody() ([]byte, error) { return r.Exchange.Request.Body() }

// GetUriCaptures returns no captures: routes have no regular expressions with groups.
func (r Request) GetUriCaptures() ([][]byte, map[string][]byte, error) {
	return nil, nil, bridge.Unsupported("kong.request.get_uri_captures")
}

func (r Request) pseudo(name string) string {
	value, _ := r.Exchange.Request.Get(name)
	return value
}

func (r Request) variable(name string) (string, error) {
	value, _ := r.Exchange.Variable(name)
	return value, nil
}
