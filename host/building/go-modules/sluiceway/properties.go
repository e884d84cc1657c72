package sluiceway

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

func (e *Exchange) property(path []string) ([]byte, error) {
	if err := e.Turn(); err != nil {
		return nil, err
	}
	return proxywasm.GetProperty(path)
}

func (e *Exchange) setProperty(path []string, value []byte) error {
	if err := e.Turn(); err != nil {
		return err
	}
	return proxywasm.SetProperty(path, value)
}

// Text returns a property that is text; empty without one.
func (e *Exchange) Text(path ...string) string {
	value, err := e.property(path)
	if err != nil {
		return ""
	}
	return string(value)
}

// Number returns a property that is a number, a time or a duration (nanoseconds), and whether there is one.
func (e *Exchange) Number(path ...string) (int64, bool) {
	value, err := e.property(path)
	if err != nil || len(value) != 8 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(value)), true
}

// StartTime returns when the request came, in Unix time.
func (e *Exchange) StartTime() time.Time {
	nanoseconds, ok := e.Number("request", "time")
	if !ok {
		return time.Now()
	}
	return time.Unix(0, nanoseconds)
}

func decimal(number int64, ok bool) string {
	if !ok {
		return ""
	}
	return strconv.FormatInt(number, 10)
}

// Session returns the session of the exchange, which plugins of all kinds share: JSON, nil without one.
func (e *Exchange) Session() []byte {
	value, err := e.property([]string{"session"})
	if err != nil {
		return nil
	}
	return value
}

// SetSession sets the session of the exchange.
func (e *Exchange) SetSession(value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return e.setProperty([]string{"session"}, encoded)
}

// Value reads what SetValue has set under a path, by this plugin or another one, into `into`; false without it.
func (e *Exchange) Value(into any, path ...string) bool {
	value, err := e.property(path)
	return err == nil && json.Unmarshal(value, into) == nil
}

// SetValue keeps a value, as JSON, for the plugins that come after.
func (e *Exchange) SetValue(value any, path ...string) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return e.setProperty(path, encoded)
}
