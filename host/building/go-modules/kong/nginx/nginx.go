// Package nginx has what Kong takes from nginx: variables, made of what a Proxy-Wasm host knows, and ngx.ctx.
package nginx

import (
	"fmt"

	"github.com/Kong/go-pdk/bridge"
)

// Nginx is kong.Nginx. Values of its context are properties nginx.ctx.KEY, as JSON.
type Nginx struct{ bridge.PdkBridge }

// GetVar returns a variable; empty for one that is not known.
func (n Nginx) GetVar(k string) (string, error) {
	value, _ := n.Exchange.Variable(k)
	return value, nil
}

// GetTLS1VersionStr returns the version of TLS; empty without TLS.
func (n Nginx) GetTLS1VersionStr() (string, error) {
	return n.Exchange.Text("connection", "tls_version"), nil
}

// SetCtx sets a value for the length of the request.
func (n Nginx) SetCtx(k string, v interface{}) error {
	return n.Exchange.SetValue(v, "nginx", "ctx", k)
}

// GetCtxAny returns a value; nil without one.
func (n Nginx) GetCtxAny(k string) (interface{}, error) {
	var value interface{}
	n.Exchange.Value(&value, "nginx", "ctx", k)
	return value, nil
}

// GetCtxString returns a value that is text.
func (n Nginx) GetCtxString(k string) (string, error) { return as[string](n, k) }

// GetCtxFloat returns a value that is a number.
func (n Nginx) GetCtxFloat(k string) (float64, error) { return as[float64](n, k) }

// GetCtxInt returns a value that is a number, without its fraction.
func (n Nginx) GetCtxInt(k string) (int, error) {
	number, err := as[float64](n, k)
	return int(number), err
}

func as[T any](n Nginx, k string) (T, error) {
	value, _ := n.GetCtxAny(k)
	found, ok := value.(T)
	if !ok {
		return found, fmt.Errorf("%s is a %T, not a %T", k, value, found)
	}
	return found, nil
}

// ReqStartTime returns when the request came: seconds of Unix time.
func (n Nginx) ReqStartTime() (float64, error) {
	return float64(n.Exchange.StartTime().UnixNano()) / 1e9, nil
}

// GetSubsystem returns http.
func (n Nginx) GetSubsystem() (string, error) { return "http", nil }
