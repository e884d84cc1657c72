package plugins

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/apache/apisix-go-plugin-runner/pkg/log"
	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
)

// Libraries of command lines look at the program's name as they are initialized.
var program = os.Args[0]

func init() {
	for _, p := range []plugin.Plugin{&Greet{}, &Rewrite{}, &Shout{}, &Broken{}} {
		if err := plugin.RegisterPlugin(p); err != nil {
			log.Fatalf("failed to register %s: %s", p.Name(), err)
		}
	}
	if err := plugin.RegisterPlugin(&Old{}); err != nil {
		log.Fatalf("failed to register: %s", err)
	}
	if err := plugin.RegisterPlugin(&Greet{}); err == nil {
		log.Fatalf("registered twice")
	}
}

// Greet answers, if it is told what.
type Greet struct {
	plugin.DefaultPlugin
}

type GreetConf struct {
	Greeting string `json:"greeting"`
	Status   int    `json:"status"`
}

func (*Greet) Name() string { return "greet" }

func (*Greet) ParseConf(in []byte) (interface{}, error) {
	conf := GreetConf{}
	if err := json.Unmarshal(in, &conf); err != nil {
		return nil, err
	}
	if conf.Status == 1 {
		return nil, errors.New("1 is no status")
	}
	return conf, nil
}

func (*Greet) RequestFilter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	greeting := conf.(GreetConf)
	w.Header().Add("X-Greeter", r.Method()+" "+program)
	if greeting.Status != 0 {
		w.WriteHeader(greeting.Status)
	}
	if greeting.Greeting != "" {
		_, _ = w.Write([]byte(greeting.Greeting))
	}
}

// Old has the one method that plugins had before there were response filters.
type Old struct{}

func (*Old) Name() string { return "old" }

func (*Old) ParseConf(in []byte) (interface{}, error) { return string(in), nil }

func (*Old) Filter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	r.Header().Set("X-Old", conf.(string))
}

// Broken dereferences nothing.
type Broken struct {
	plugin.DefaultPlugin
}

func (*Broken) Name() string { return "broken" }

func (*Broken) ParseConf(in []byte) (interface{}, error) { return (*GreetConf)(nil), nil }

func (*Broken) RequestFilter(conf interface{}, w http.ResponseWriter, r pkgHTTP.Request) {
	_, _ = w.Write([]byte(conf.(*GreetConf).Greeting))
}
