// Package router tells what the request has matched.
package router

import (
	"github.com/Kong/go-pdk/bridge"
	"github.com/Kong/go-pdk/entities"
)

// Router is kong.Router.
type Router struct{ bridge.PdkBridge }

// GetRoute returns the route, of which the name is known, and given as id too.
func (c Router) GetRoute() (route entities.Route, err error) {
	name := c.Exchange.Text("route_name")
	return entities.Route{Id: name, Name: name}, nil
}

// GetService returns the service, of which the upstream's name is known, and given as id too.
func (c Router) GetService() (service entities.Service, err error) {
	name := c.Exchange.Text("cluster_name")
	return entities.Service{Id: name, Name: name}, nil
}
