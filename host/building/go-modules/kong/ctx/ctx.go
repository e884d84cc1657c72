// Package ctx keeps values for the length of a request, for all plugins.
package ctx

import (
	"fmt"

	"github.com/Kong/go-pdk/bridge"
)

// Ctx is kong.Ctx. The values are properties kong.ctx.shared.KEY, as JSON.
type Ctx struct{ bridge.PdkBridge }

// SetShared sets a value.
func (c Ctx) SetShared(k string, value interface{}) error {
	return c.Exchange.SetValue(value, "kong", "ctx", "shared", k)
}

// GetSharedAny returns a value; nil without one.
func (c Ctx) GetSharedAny(k string) (interface{}, error) {
	var value interface{}
	c.Exchange.Value(&value, "kong", "ctx", "shared", k)
	return value, nil
}

// GetSharedString returns a value that is text.
func (c Ctx) GetSharedString(k string) (string, error) { return as[string](c, k) }

// GetSharedFloat returns a value that is a number.
func (c Ctx) GetSharedFloat(k string) (float64, error) { return as[float64](c, k) }

func as[T any](c Ctx, k string) (T, error) {
	value, _ := c.GetSharedAny(k)
	found, ok := value.(T)
	if !ok {
		return found, fmt.Errorf("%s is a %T, not a %T", k, value, found)
	}
	return found, nil
}
