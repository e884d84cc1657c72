// Package sluiceway runs the handlers of a Tyk Go plugin. The file that the build adds to the plugin registers them.
package sluiceway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sluiceway"
	"strconv"
	"strings"

	"github.com/TykTechnologies/tyk/ctx"
	"github.com/TykTechnologies/tyk/user"
)

// RequestHandler and ResponseHandler are the functions that Tyk calls by name.
type (
	RequestHandler  = func(http.ResponseWriter, *http.Request)
	ResponseHandler = func(http.ResponseWriter, *http.Response, *http.Request)
)

// Register makes a plugin of the handlers, by the names of their symbols.
func Register(requests map[string]RequestHandler, responses map[string]ResponseHandler) {
	sluiceway.Register(func(configuration []byte) (*sluiceway.Plugin, error) {
		p := &plugin{}
		if err := p.configure(configuration, requests, responses); err != nil {
			return nil, err
		}
		return p.made(), nil
	})
}

type requestStep struct {
	handler RequestHandler
	isAuth  bool
}

type plugin struct {
	definition *ctx.APIDefinition
	requests   []requestStep
	responses  []ResponseHandler
	hasAuth    bool
}

func (p *plugin) configure(text []byte, requests map[string]RequestHandler, responses map[string]ResponseHandler) error {
	hooks, definition, err := parse(text)
	if err != nil {
		return err
	}
	p.definition = definition
	if hooks.isEmpty() {
		hooks = onlySymbol(requests, responses)
	}
	add := func(symbols []symbol, isAuth bool) {
		for _, name := range symbols {
			if handler := requests[string(name)]; handler != nil {
				p.requests = append(p.requests, requestStep{handler, isAuth})
				p.hasAuth = p.hasAuth || isAuth
			} else if err == nil {
				err = unknown(string(name), "func(http.ResponseWriter, *http.Request)", sluiceway.Sorted(requests))
			}
		}
	}
	add(hooks.Pre, false)
	add(hooks.AuthCheck, true)
	add(append(hooks.PostKeyAuth, hooks.PostAuthCheck...), false)
	add(hooks.Post, false)
	for _, name := range append(hooks.Response, hooks.Symbol...) {
		if handler := responses[string(name)]; handler != nil {
			p.responses = append(p.responses, handler)
			continue
		}
		if handler := requests[string(name)]; handler != nil && len(hooks.Symbol) > 0 {
			p.requests = append(p.requests, requestStep{handler, false})
			continue
		}
		kind := "func(http.ResponseWriter, *http.Response, *http.Request)"
		return unknown(string(name), kind, append(sluiceway.Sorted(responses), sluiceway.Sorted(requests)...))
	}
	if err == nil && len(p.requests)+len(p.responses) == 0 {
		all := append(sluiceway.Sorted(requests), sluiceway.Sorted(responses)...)
		err = fmt.Errorf(`name a symbol, as {"post": ["%s"]}; there are: %s`, all[0], strings.Join(all, ", "))
	}
	return err
}

func unknown(name, kind string, there []string) error {
	return fmt.Errorf("no %s %s in the plugin; there are: %s", kind, name, strings.Join(there, ", "))
}

func (p *plugin) made() *sluiceway.Plugin {
	made := &sluiceway.Plugin{}
	if len(p.requests) > 0 {
		made.Request = p.request
	}
	if len(p.responses) > 0 {
		made.Response = p.response
	}
	return made
}

func (p *plugin) request(e *sluiceway.Exchange) {
	r := ctx.Begin(newRequest(e), e, p.definition)
	target := r.URL.RequestURI()
	for _, step := range p.requests {
		step.handler(e.Answer, r)
		if e.Answer.Written() {
			return
		}
		if step.isAuth && ctx.GetSession(r) == nil {
			refuse(e.Answer)
			return
		}
		r.Body = takeBody(e.Request, r.Body)
	}
	applyRequest(e, r, target)
	if p.hasAuth {
		e.ResponseHeader = rateLimits(ctx.GetSession(r), p.definition.APIID)
	}
}

// refuse answers where a check has neither answered nor set a session: Tyk's next step does not go on without one.
func refuse(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(`{"error": "Session state is missing or unset! Please make sure that auth headers are properly applied"}`))
}

func rateLimits(session *user.SessionState, apiID string) http.Header {
	quota, remaining, _, renews := session.GetQuotaLimitByAPIID(apiID)
	return http.Header{
		"X-Ratelimit-Limit":     {strconv.FormatInt(quota, 10)},
		"X-Ratelimit-Remaining": {strconv.FormatInt(remaining, 10)},
		"X-Ratelimit-Reset":     {strconv.FormatInt(renews, 10)},
	}
}

func (p *plugin) response(e *sluiceway.Exchange) {
	r := ctx.Begin(newRequest(e), e, p.definition)
	response := newResponse(e, r)
	for _, handler := range p.responses {
		handler(&responseWriter{response: response}, response, r)
		response.Body = takeBody(e.Response, response.Body)
	}
	applyResponse(e, response)
}

// symbols of the configuration: a name, a list of names, or Tyk's objects {"name": …, "path": …}.
type symbol string

type symbols []symbol

func (s *symbols) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '[' {
		var items []symbols
		if err := json.Unmarshal(data, &items); err != nil {
			return err
		}
		for _, item := range items {
			*s = append(*s, item...)
		}
		return nil
	}
	if len(data) > 0 && data[0] == '{' {
		var entry struct {
			Name     symbol `json:"name"`
			Disabled bool   `json:"disabled"`
		}
		if err := json.Unmarshal(data, &entry); err != nil {
			return err
		}
		if entry.Name != "" && !entry.Disabled {
			*s = append(*s, entry.Name)
		}
		return nil
	}
	var name symbol
	if err := json.Unmarshal(data, &name); err != nil {
		return err
	}
	if name != "" {
		*s = append(*s, name)
	}
	return nil
}
