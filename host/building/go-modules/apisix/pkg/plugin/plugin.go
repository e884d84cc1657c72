// Package plugin is where plugins of the runner register.
package plugin

import (
	"net/http"

	"github.com/apache/apisix-go-plugin-runner/internal/filter"
	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
)

// Plugin is a plugin of the runner since 0.3.
type Plugin interface {
	// Name returns the name by which configurations know the plugin.
	Name() string
	// ParseConf makes of a configuration what the filters are given.
	ParseConf(in []byte) (conf interface{}, err error)
	// RequestFilter sees each request; once it has written to w, that is the answer.
	RequestFilter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request)
	// ResponseFilter sees each response of an upstream.
	ResponseFilter(conf interface{}, w pkgHTTP.Response)
}

// DefaultPlugin has filters that do nothing, to be embedded.
type DefaultPlugin struct{}

// RequestFilter does nothing.
func (*DefaultPlugin) RequestFilter(interface{}, http.ResponseWriter, pkgHTTP.Request) {}

// ResponseFilter does nothing.
func (*DefaultPlugin) ResponseFilter(interface{}, pkgHTTP.Response) {}

// RegisterPlugin registers a plugin under its name. It takes those from before 0.3 too, which have one method Filter
// in place of RequestFilter and ResponseFilter.
func RegisterPlugin(p filter.Plugin) error { return filter.Register(p) }
