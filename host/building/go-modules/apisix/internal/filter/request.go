package filter

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sluiceway"
	"strings"

	"github.com/apache/apisix-go-plugin-runner/pkg/common"
	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
)

// header gives http.Header the method that shows it.
type header struct{ http.Header }

func (h header) View() http.Header { return h.Header }

var lastID uint32

func nextID() uint32 {
	lastID++
	return max(lastID, 1)
}

type request struct {
	exchange *sluiceway.Exchange
	id       uint32
	path     []byte
	args     url.Values
	original url.Values
}

func (r *request) ID() uint32 {
	if r.id == 0 {
		r.id = nextID()
	}
	return r.id
}

func (r *request) SrcIP() net.IP {
	address, _ := r.exchange.Variable("remote_addr")
	ip := net.ParseIP(address)
	if four := ip.To4(); four != nil {
		return four
	}
	return ip
}

func (r *request) Method() string { return r.exchange.Request.Pseudo(":method") }

func (r *request) Path() []byte {
	if r.path == nil {
		path, _, _ := strings.Cut(r.exchange.Request.Pseudo(":path"), "?")
		if unescaped, err := url.PathUnescape(path); err == nil {
			path = unescaped
		}
		return []byte(path)
	}
	return r.path
}

func (r *request) SetPath(path []byte) { r.path = path }

func (r *request) Header() pkgHTTP.Header {
	fields := r.exchange.Request.Header()
	if _, has := fields["Host"]; !has {
		fields["Host"] = []string{r.exchange.Request.Pseudo(":authority")}
	}
	return header{fields}
}

func (r *request) Args() url.Values {
	if r.args == nil {
		_, query, _ := strings.Cut(r.exchange.Request.Pseudo(":path"), "?")
		r.args, _ = url.ParseQuery(query)
		r.original = maps.Clone(r.args)
		for name, values := range r.original {
			r.original[name] = slices.Clone(values)
		}
	}
	return r.args
}

func (r *request) Var(name string) ([]byte, error) { return variable(r.exchange, name) }

func (r *request) Body() ([]byte, error) { return content(r.exchange.Request) }

func (r *request) SetBody(body []byte) { r.exchange.Request.SetBody(body) }

func (r *request) Context() context.Context { return r.exchange.Context() }

func (r *request) RespHeader() http.Header { return r.exchange.ComingHeader() }

// apply hands over what has been changed and is not kept by the exchange itself.
func (r *request) apply() {
	for _, name := range notForPlugins {
		delete(r.exchange.ResponseHeader, name)
	}
	m := r.exchange.Request
	if !m.IsRead() && r.path == nil {
		return
	}
	if fields := m.Header(); len(fields["Host"]) > 0 {
		m.SetPseudo(":authority", fields["Host"][0])
		delete(fields, "Host")
	}
	path, query, hasQuery := strings.Cut(m.Pseudo(":path"), "?")
	if r.path != nil {
		path = (&url.URL{Path: string(r.path)}).EscapedPath()
	}
	if r.args != nil && !reflect.DeepEqual(r.args, r.original) {
		query, hasQuery = r.args.Encode(), len(r.args) > 0
	}
	if hasQuery {
		path += "?" + query
	}
	m.SetPseudo(":path", path)
}

// notForPlugins are fields that APISIX does not let a request filter give the response.
var notForPlugins = []string{
	"Connection", "Content-Length", "Transfer-Encoding", "Location", "Server", "Www-Authenticate", "Content-Encoding",
	"Content-Type", "Content-Location", "Content-Language",
}

func variable(e *sluiceway.Exchange, name string) ([]byte, error) {
	value, _ := e.Variable(name)
	return []byte(value), nil
}

func content(m *sluiceway.Message) ([]byte, error) {
	body, err := m.Body()
	if err == sluiceway.ErrEnded {
		err = common.ErrConnClosed
	}
	return body, err
}
