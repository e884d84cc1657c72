// Package response is about the response that goes to the client.
package response

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/Kong/go-pdk/bridge"
)

// Response is kong.Response.
type Response struct{ bridge.PdkBridge }

// GetStatus returns the status as it is now.
func (r Response) GetStatus() (int, error) {
	value, _ := r.Exchange.Response.Get(":status")
	return strconv.Atoi(value)
}

// GetHeader returns the first value of a field; empty without one.
func (r Response) GetHeader(name string) (string, error) {
	return bridge.Field(r.Exchange.Response, name)
}

// GetHeaders returns the fields by their names in lower case, `max_headers` of them.
func (r Response) GetHeaders(max_headers int) (res map[string][]string, err error) {
	return bridge.Fields(r.Exchange.Response, max_headers)
}

// GetSource returns service, exit or error: who has made the response.
func (r Response) GetSource() (string, error) {
	switch details := r.Exchange.Text("response", "code_details"); {
	case r.Exchange.IsAnswered():
		return "exit", nil
	case details == "via_upstream":
		return "service", nil
	}
	return "error", nil
}

// SetStatus sets the status.
func (r Response) SetStatus(status int) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("code must be a number between 200 and 599: %d", status)
	}
	if !r.isThere() {
		return errors.New("there is no response yet: Exit answers a request")
	}
	return r.Exchange.Response.Set(":status", strconv.Itoa(status))
}

// SetHeader replaces all values of a field; before there is a response, it is for the one that is to come.
func (r Response) SetHeader(k string, v string) error {
	if r.isThere() {
		return r.Exchange.Response.Set(k, v)
	}
	r.coming().Set(k, v)
	return nil
}

// AddHeader adds a field; before there is a response, it is for the one that is to come.
func (r Response) AddHeader(k string, v string) error {
	if r.isThere() {
		return r.Exchange.Response.Add(k, v)
	}
	r.coming().Add(k, v)
	return nil
}

// ClearHeader removes a field.
func (r Response) ClearHeader(k string) error {
	if r.isThere() {
		return r.Exchange.Response.Remove(k)
	}
	r.coming().Del(k)
	return nil
}

// SetHeaders replaces fields; an empty list removes one.
func (r Response) SetHeaders(headers map[string][]string) error {
	if r.isThere() {
		return bridge.SetFields(r.Exchange.Response, headers)
	}
	for name, values := range headers {
		r.coming().Del(name)
		for _, value := range values {
			r.coming().Add(name, value)
		}
	}
	return nil
}

// Exit answers, once the plugin has returned.
func (r Response) Exit(status int, body []byte, headers map[string][]string) {
	if status < 200 || status > 599 {
		panic(fmt.Sprintf("code must be a number between 200 and 599: %d", status))
	}
	if r.Exchange.Answer.Written() {
		return
	}
	header := r.Exchange.Answer.Header()
	for name, values := range headers {
		header.Del(name)
		for _, value := range values {
			header.Add(name, value)
		}
	}
	r.Exchange.Answer.WriteHeader(status)
	if len(body) > 0 {
		_, _ = r.Exchange.Answer.Write(body)
	}
}

// ExitStatus answers with a status alone, once the plugin has returned.
func (r Response) ExitStatus(status int) { r.Exit(status, nil, nil) }

func (r Response) isThere() bool {
	_, has := r.Exchange.Response.Get(":status")
	return has
}

func (r Response) coming() http.Header { return r.Exchange.ComingHeader() }
