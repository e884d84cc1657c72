package sluiceway

import (
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// calls are the host calls of one side of the exchange.
type calls struct {
	all         func() ([][2]string, error)
	get         func(string) (string, error)
	replace     func(string, string) error
	add         func(string, string) error
	remove      func(string) error
	body        func(int, int) ([]byte, error)
	replaceBody func([]byte) error
}

var requestCalls = calls{
	proxywasm.GetHttpRequestHeaders, proxywasm.GetHttpRequestHeader, proxywasm.ReplaceHttpRequestHeader,
	proxywasm.AddHttpRequestHeader, proxywasm.RemoveHttpRequestHeader,
	proxywasm.GetHttpRequestBody, proxywasm.ReplaceHttpRequestBody,
}

var responseCalls = calls{
	proxywasm.GetHttpResponseHeaders, proxywasm.GetHttpResponseHeader, proxywasm.ReplaceHttpResponseHeader,
	proxywasm.AddHttpResponseHeader, proxywasm.RemoveHttpResponseHeader,
	proxywasm.GetHttpResponseBody, proxywasm.ReplaceHttpResponseBody,
}

// Message is the request, or the response.
//
// Its fields can be changed in two ways: by Set, Add and Remove, which are host calls; or in the map that Header
// returns, from which what differs in the end is taken over when the phase has ended.
type Message struct {
	exchange *Exchange
	calls    *calls
	header   http.Header
	original http.Header
	pseudo   map[string]string
	changed  map[string]string // pseudo-header fields
	body     []byte
	hasBody  bool
	complete bool // all of the body is there
	replaced bool // body is to take the place of what came
}

// Get returns the first value of a field or pseudo-header field, and whether there is one.
func (m *Message) Get(name string) (string, bool) {
	if m.exchange.Turn() != nil {
		return "", false
	}
	value, err := m.calls.get(name)
	return value, err == nil
}

// Set replaces all values of a field or pseudo-header field.
func (m *Message) Set(name, value string) error {
	if err := m.exchange.Turn(); err != nil {
		return err
	}
	return m.calls.replace(name, value)
}

// Add adds a field.
func (m *Message) Add(name, value string) error {
	if err := m.exchange.Turn(); err != nil {
		return err
	}
	return m.calls.add(name, value)
}

// Remove removes a field, all of its values.
func (m *Message) Remove(name string) error {
	if err := m.exchange.Turn(); err != nil {
		return err
	}
	return m.calls.remove(name)
}

// All returns all fields in their order, pseudo-header fields among them, names in lower case.
func (m *Message) All() ([][2]string, error) {
	if err := m.exchange.Turn(); err != nil {
		return nil, err
	}
	return m.calls.all()
}

// Header returns the fields with names as net/http spells them, without pseudo-header fields. What is changed in it
// is taken over at the end of the phase.
func (m *Message) Header() http.Header {
	if m.header == nil {
		m.load()
	}
	return m.header
}

// Pseudo returns a pseudo-header field by its name with the colon; empty without one.
func (m *Message) Pseudo(name string) string {
	if m.header == nil {
		m.load()
	}
	return m.pseudo[name]
}

// SetPseudo replaces a pseudo-header field at the end of the phase.
func (m *Message) SetPseudo(name, value string) {
	if m.Pseudo(name) != value {
		m.pseudo[name], m.changed[name] = value, value
	}
}

// IsRead tells whether Header has been asked for.
func (m *Message) IsRead() bool { return m.header != nil }

// ReplaceHeader takes another map for the one that Header has returned.
func (m *Message) ReplaceHeader(header http.Header) {
	m.Header()
	m.header = header
}

func (m *Message) load() {
	fields, err := m.All()
	if err != nil {
		proxywasm.LogErrorf("header fields cannot be read: %v", err)
	}
	m.header = make(http.Header, len(fields))
	m.original = make(http.Header, len(fields))
	m.pseudo = make(map[string]string, 4)
	m.changed = map[string]string{}
	for _, field := range fields {
		if field[0] != "" && field[0][0] == ':' {
			m.pseudo[field[0]] = field[1]
			continue
		}
		name := http.CanonicalHeaderKey(field[0])
		m.header[name] = append(m.header[name], field[1])
		m.original[name] = append(m.original[name], field[1])
	}
}

// Body returns the whole content, for which it waits.
func (m *Message) Body() ([]byte, error) {
	if m.hasBody || m.replaced {
		return m.body, nil
	}
	err := m.exchange.Await(func() bool { return m.complete })
	if err == nil {
		err = m.exchange.Turn()
	}
	if err != nil {
		return nil, err
	}
	body, err := m.calls.body(0, math.MaxInt32)
	if err != nil && err != types.ErrorStatusNotFound {
		return nil, err
	}
	m.body, m.hasBody = body, true
	return body, nil
}

// SetBody replaces the content.
func (m *Message) SetBody(body []byte) {
	m.body, m.replaced = body, true
}

// apply takes over what the phase has changed.
func (m *Message) apply() {
	if m.header != nil {
		m.applyHeader()
	}
	if m.replaced {
		if _, has := m.Get("content-length"); has {
			m.report("content-length", m.Set("content-length", strconv.Itoa(len(m.body))))
		}
		if m.complete {
			m.replaceBody()
		}
	}
}

func (m *Message) applyHeader() {
	for _, name := range Sorted(m.original) {
		if len(m.header[name]) == 0 {
			m.report(name, m.Remove(name))
		}
	}
	for _, name := range Sorted(m.header) {
		values := m.header[name]
		if len(values) == 0 || slices.Equal(values, m.original[name]) {
			continue
		}
		err := m.Set(name, values[0])
		for _, value := range values[1:] {
			if err == nil {
				err = m.Add(name, value)
			}
		}
		m.report(name, err)
	}
	for _, name := range []string{":method", ":scheme", ":authority", ":path", ":status"} {
		if value, ok := m.changed[name]; ok {
			m.report(name, m.Set(name, value))
		}
	}
	m.header, m.original, m.pseudo, m.changed = nil, nil, nil, nil
}

func (m *Message) replaceBody() {
	m.report("the body", m.calls.replaceBody(m.body))
	m.replaced = false
}

func (m *Message) report(what string, err error) {
	if err != nil {
		proxywasm.LogErrorf("%s cannot be changed: %v", what, err)
	}
}
