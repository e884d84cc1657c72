// Package bridge is what all parts of the kit have in common.
package bridge

import (
	"fmt"
	"sluiceway"
	"strings"
)

// MaxFields is how many fields or parameters a plugin gets that does not say.
const MaxFields = 100

// PdkBridge leads to the exchange.
type PdkBridge struct {
	Exchange *sluiceway.Exchange
}

// New returns the bridge to an exchange.
func New(e *sluiceway.Exchange) PdkBridge { return PdkBridge{e} }

// Unsupported is the error of a function that a Proxy-Wasm host cannot serve.
func Unsupported(name string) error { return fmt.Errorf("not supported by this host: %s", name) }

// Field returns the first value of a field; empty without one. Names may have _ for -, as in Kong.
func Field(m *sluiceway.Message, name string) (string, error) {
	value, has := m.Get(name)
	if !has && strings.Contains(name, "_") {
		value, _ = m.Get(strings.ReplaceAll(name, "_", "-"))
	}
	return value, nil
}

// Fields returns the fields by their names in lower case, `most` of them.
func Fields(m *sluiceway.Message, most int) (map[string][]string, error) {
	most, err := Limit(most)
	if err != nil {
		return nil, err
	}
	all, err := m.All()
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, field := range all {
		if most == 0 {
			break
		}
		name := strings.ToLower(field[0])
		switch {
		case name == ":authority":
			name = "host"
		case strings.HasPrefix(name, ":"):
			continue
		}
		found[name] = append(found[name], field[1])
		most--
	}
	return found, nil
}

// Limit returns how many fields are meant by a number that a plugin gives.
func Limit(most int) (int, error) {
	if most == -1 {
		return MaxFields, nil
	}
	if most < 1 || most > 1000 {
		return 0, fmt.Errorf("a maximum is 1 to 1000, or -1 for %d: %d", MaxFields, most)
	}
	return most, nil
}

// SetFields replaces fields; an empty list removes one.
func SetFields(m *sluiceway.Message, fields map[string][]string) error {
	for _, name := range sluiceway.Sorted(fields) {
		values := fields[name]
		if len(values) == 0 {
			if err := m.Remove(FieldName(name)); err != nil {
				return err
			}
			continue
		}
		if err := m.Set(FieldName(name), values[0]); err != nil {
			return err
		}
		for _, value := range values[1:] {
			if err := m.Add(FieldName(name), value); err != nil {
				return err
			}
		}
	}
	return nil
}

// FieldName is the name of a field for the host, to which Host is a pseudo-header field.
func FieldName(name string) string {
	if strings.EqualFold(name, "host") {
		return ":authority"
	}
	return name
}
