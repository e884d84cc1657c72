// Package log writes to the gateway's log.
package log

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/Kong/go-pdk/bridge"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

// Log is kong.Log. Levels that Proxy-Wasm does not have are written as the next one below in severity: alert as
// critical, notice as info.
type Log struct{ bridge.PdkBridge }

// Alert writes a line of level critical.
func (r Log) Alert(args ...interface{}) error { return write(proxywasm.LogCritical, args) }

// Crit writes a line of level critical.
func (r Log) Crit(args ...interface{}) error { return write(proxywasm.LogCritical, args) }

// Err writes a line of level error.
func (r Log) Err(args ...interface{}) error { return write(proxywasm.LogError, args) }

// Warn writes a line of level warn.
func (r Log) Warn(args ...interface{}) error { return write(proxywasm.LogWarn, args) }

// Notice writes a line of level info.
func (r Log) Notice(args ...interface{}) error { return write(proxywasm.LogInfo, args) }

// Info writes a line of level info.
func (r Log) Info(args ...interface{}) error { return write(proxywasm.LogInfo, args) }

// Debug writes a line of level debug.
func (r Log) Debug(args ...interface{}) error { return write(proxywasm.LogDebug, args) }

// write joins the arguments without anything between, as Kong does.
func write(line func(string), args []interface{}) error {
	var text strings.Builder
	for _, arg := range args {
		fmt.Fprint(&text, arg)
	}
	line(text.String())
	return nil
}

// Serialize returns what there is to know of the exchange, as JSON, by Kong's names.
func (r Log) Serialize() (s string, err error) {
	e := r.Exchange
	headers, err := bridge.Fields(e.Request, 1000)
	if err != nil {
		return "", err
	}
	if _, has := headers["authorization"]; has {
		headers["authorization"] = []string{"REDACTED"}
	}
	answered, err := bridge.Fields(e.Response, 1000)
	if err != nil {
		answered = nil // before there is a response
	}
	variable := func(name string) string { value, _ := e.Variable(name); return value }
	number := func(path ...string) int64 { value, _ := e.Number(path...); return value }
	uri := variable("request_uri")
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(map[string]any{
		"client_ip": variable("remote_addr"),
		"latencies": map[string]any{"request": number("request", "duration") / 1e6},
		"request": map[string]any{
			"headers": single(headers),
			"id":      variable("request_id"),
			"method":  variable("request_method"),
			"size":    number("request", "total_size"),
			"uri":     uri,
			"url":     variable("scheme") + "://" + e.Text("request", "host") + uri,
		},
		"response": map[string]any{
			"headers": single(answered),
			"size":    number("response", "total_size"),
			"status":  number("response", "code"),
		},
		"route":           map[string]any{"name": variable("route_name")},
		"service":         map[string]any{"name": e.Text("cluster_name")},
		"started_at":      e.StartTime().UnixMilli(),
		"upstream_uri":    uri,
		"upstream_status": upstreamStatus(e.Text("response", "code_details"), number("response", "code")),
	})
	return strings.TrimSuffix(text.String(), "\n"), err
}

func upstreamStatus(details string, status int64) string {
	if details != "via_upstream" {
		return ""
	}
	return fmt.Sprint(status)
}

// single makes a field with one value a text, as Kong has it.
func single(fields map[string][]string) map[string]any {
	made := make(map[string]any, len(fields))
	for name, values := range fields {
		if len(values) == 1 {
			made[name] = values[0]
		} else {
			made[name] = values
		}
	}
	return made
}
