// Package filter runs the plugins that have registered, in the order of a configuration.
package filter

import (
	"errors"
	"fmt"
	"net/http"
	"sluiceway"
	"strings"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
)

// Plugin is what every generation of plugins has.
type Plugin interface {
	Name() string
	ParseConf(in []byte) (conf interface{}, err error)
}

type (
	requestFilter interface {
		RequestFilter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request)
	}
	responseFilter interface {
		ResponseFilter(conf interface{}, w pkgHTTP.Response)
	}
	oldFilter interface {
		Filter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request)
	}
)

var registered = map[string]Plugin{}

func init() { sluiceway.Register(configure) }

// Register registers a plugin under its name.
func Register(p Plugin) error {
	name := p.Name()
	if name == "" {
		return errors.New("missing name")
	}
	if _, found := registered[name]; found {
		return fmt.Errorf("plugin %s registered", name)
	}
	_, isNew := p.(requestFilter)
	_, isOld := p.(oldFilter)
	if !isNew && !isOld {
		return fmt.Errorf("plugin %s has neither RequestFilter nor Filter", name)
	}
	registered[name] = p
	return nil
}

func names() []string { return sluiceway.Sorted(registered) }

// step is a plugin with its parsed configuration.
type step struct {
	plugin Plugin
	conf   interface{}
}

func configure(configuration []byte) (*sluiceway.Plugin, error) {
	requests, responses, err := parse(configuration)
	if err != nil {
		return nil, err
	}
	made := &sluiceway.Plugin{}
	if len(requests) > 0 {
		made.Request = func(e *sluiceway.Exchange) { filterRequest(requests, e) }
	}
	if len(responses) > 0 {
		made.Response = func(e *sluiceway.Exchange) { filterResponse(responses, e) }
	}
	return made, nil
}

func filterRequest(steps []step, e *sluiceway.Exchange) {
	r := &request{exchange: e}
	for _, s := range steps {
		switch p := s.plugin.(type) {
		case requestFilter:
			p.RequestFilter(s.conf, e.Answer, r)
		case oldFilter:
			p.Filter(s.conf, e.Answer, r)
		}
		if e.Answer.Written() {
			return
		}
	}
	r.apply()
}

func filterResponse(steps []step, e *sluiceway.Exchange) {
	r := &response{exchange: e}
	for _, s := range steps {
		if p, ok := s.plugin.(responseFilter); ok {
			p.ResponseFilter(s.conf, r)
		}
		if r.isWritten() {
			break
		}
	}
	r.apply()
}

func made(name, value string) (step, error) {
	p := registered[name]
	if p == nil {
		return step{}, fmt.Errorf("no plugin %q; there are: %s", name, strings.Join(names(), ", "))
	}
	conf, err := p.ParseConf([]byte(value))
	if err != nil {
		return step{}, fmt.Errorf("plugin %s does not take its configuration: %w", name, err)
	}
	return step{p, conf}, nil
}
