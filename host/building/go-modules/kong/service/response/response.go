// Package response tells about the service's response.
package response

import (
	"strconv"

	"github.com/Kong/go-pdk/bridge"
)

// Response is kong.ServiceResponse. What plugins have changed before is seen as changed.
type Response struct{ bridge.PdkBridge }

// GetStatus returns the status.
func (r Response) GetStatus() (i int, err error) {
	value, _ := r.Exchange.Response.Get(":status")
	return strconv.Atoi(value)
}

// GetHeader returns the first value of a field; empty without one.
func (r Response) GetHeader(name string) (string, error) {
	return bridge.Field(r.Exchange.Response, name)
}

// GetHeaders returns the fields by their names in lower case, `max_headers` of them.
func (r Response) GetHeaders(max_headers int) (map[string][]string, error) {
	return bridge.Fields(r.Exchange.Response, max_headers)
}

// GetRawBody returns the content, for which it waits.
func (r Response) GetRawBody() ([]byte, error) { return r.Exchange.Response.Body() }
