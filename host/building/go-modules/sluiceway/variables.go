package sluiceway

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Variable returns a variable of nginx by its name, made of what a Proxy-Wasm host knows; false for one that it does
// not know or that has no value.
func (e *Exchange) Variable(name string) (string, bool) {
	if value, ok := e.derived(name); ok {
		return value, true
	}
	read := variables[name]
	if read == nil {
		return "", false
	}
	value := read(e)
	return value, value != ""
}

// derived are the families of variables whose names hold the name of a field, a parameter or a cookie.
func (e *Exchange) derived(name string) (string, bool) {
	family, rest, _ := strings.Cut(name, "_")
	dashed := strings.ReplaceAll(rest, "_", "-")
	switch family {
	case "http":
		return e.Request.Get(dashed)
	case "sent":
		if field, ok := strings.CutPrefix(dashed, "http-"); ok {
			return e.Response.Get(field)
		}
	case "arg":
		query, _ := url.ParseQuery(e.Text("request", "query"))
		return query.Get(rest), query.Has(rest)
	case "cookie":
		line, _ := e.Request.Get("cookie")
		cookies, _ := http.ParseCookie(line)
		for _, cookie := range cookies {
			if cookie.Name == rest {
				return cookie.Value, true
			}
		}
	}
	return "", false
}

var variables = map[string]func(*Exchange) string{
	"args":            func(e *Exchange) string { return e.Text("request", "query") },
	"balancer_ip":     func(e *Exchange) string { return hostOf(e.Text("upstream", "address")) },
	"balancer_port":   func(e *Exchange) string { return decimal(e.Number("upstream", "port")) },
	"body_bytes_sent": func(e *Exchange) string { return decimal(e.Number("response", "size")) },
	"bytes_sent":      func(e *Exchange) string { return decimal(e.Number("response", "total_size")) },
	"content_length":  func(e *Exchange) string { value, _ := e.Request.Get("content-length"); return value },
	"content_type":    func(e *Exchange) string { value, _ := e.Request.Get("content-type"); return value },
	"host":            func(e *Exchange) string { return strings.ToLower(hostOf(e.Text("request", "host"))) },
	"hostname":        func(e *Exchange) string { return e.Text("xds", "node", "id") },
	"is_args":         isArgs,
	"msec":            func(e *Exchange) string { return seconds(e.StartTime().UnixMilli()) },
	"remote_addr":     func(e *Exchange) string { return hostOf(e.Text("source", "address")) },
	"remote_port":     func(e *Exchange) string { return decimal(e.Number("source", "port")) },
	"request_id":      func(e *Exchange) string { return e.Text("request", "id") },
	"request_length":  func(e *Exchange) string { return decimal(e.Number("request", "total_size")) },
	"request_method":  func(e *Exchange) string { return e.Text("request", "method") },
	"request_time":    requestTime,
	"request_uri":     func(e *Exchange) string { return e.Text("request", "path") },
	"route_id":        func(e *Exchange) string { return e.Text("route_name") },
	"route_name":      func(e *Exchange) string { return e.Text("route_name") },
	"scheme":          func(e *Exchange) string { return e.Text("request", "scheme") },
	"server_addr":     func(e *Exchange) string { return hostOf(e.Text("destination", "address")) },
	"server_port":     func(e *Exchange) string { return decimal(e.Number("destination", "port")) },
	"server_protocol": func(e *Exchange) string { return e.Text("request", "protocol") },
	"status":          func(e *Exchange) string { return decimal(e.Number("response", "code")) },
	"time_iso8601":    func(e *Exchange) string { return e.StartTime().UTC().Format("2006-01-02T15:04:05-07:00") },
	"upstream_addr":   func(e *Exchange) string { return e.Text("upstream", "address") },
	"uri":             func(e *Exchange) string { return e.Text("request", "url_path") },
}

func isArgs(e *Exchange) string {
	if e.Text("request", "query") == "" {
		return ""
	}
	return "?"
}

func requestTime(e *Exchange) string {
	if nanoseconds, ok := e.Number("request", "duration"); ok {
		return seconds(nanoseconds / 1e6)
	}
	return ""
}

func seconds(milliseconds int64) string {
	return strconv.FormatFloat(float64(milliseconds)/1000, 'f', 3, 64)
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
