package plugins

import (
	"bytes"
	"net/http"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
)

// Rewrite changes whatever a request filter can change.
type Rewrite struct {
	plugin.DefaultPlugin
}

func (*Rewrite) Name() string { return "rewrite" }

func (*Rewrite) ParseConf(in []byte) (interface{}, error) { return nil, nil }

func (*Rewrite) RequestFilter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	body, err := r.Body()
	if err != nil {
		log.Warnf("no body: %v", err)
		return
	}
	address, _ := r.Var("remote_addr")
	log.Infof("%d %s %s %s of %s", r.ID(), r.Method(), r.Path(), body, address)
	log.Debugf("below the level of the runner's configuration")
	r.SetPath([]byte("/new path"))
	r.Args().Set("b", "2")
	r.Args().Del("a")
	r.Header().Set("X-Ip", r.SrcIP().String())
	r.Header().Set("Host", "inner.example")
	r.Header().Del("X-Secret")
	r.RespHeader().Set("X-From-Request", "1")
	r.RespHeader().Set("Content-Type", "not/taken")
}

// Shout is a response filter.
type Shout struct {
	plugin.DefaultPlugin
}

func (*Shout) Name() string { return "shout" }

func (*Shout) ParseConf(in []byte) (interface{}, error) { return nil, nil }

func (*Shout) ResponseFilter(conf interface{}, w pkgHTTP.Response) {
	body, err := w.ReadBody()
	if err != nil {
		log.Errorf("no body: %v", err)
		return
	}
	status, _ := w.Var("status")
	w.Header().Set("X-Status", string(status))
	w.Header().Del("X-Inner")
	w.WriteHeader(w.StatusCode() + 1)
	_, _ = w.Write(bytes.ToUpper(body))
	_, _ = w.Write([]byte("!"))
}
