package filter

import (
	"sluiceway"
	"strconv"

	pkgHTTP "github.com/apache/apisix-go-plugin-runner/pkg/http"
)

type response struct {
	exchange *sluiceway.Exchange
	id       uint32
	status   int
	body     []byte
}

func (r *response) ID() uint32 {
	if r.id == 0 {
		r.id = nextID()
	}
	return r.id
}

func (r *response) StatusCode() int {
	if r.status != 0 {
		return r.status
	}
	status, _ := strconv.Atoi(r.exchange.Response.Pseudo(":status"))
	return status
}

func (r *response) Header() pkgHTTP.Header { return header{r.exchange.Response.Header()} }

func (r *response) Var(name string) ([]byte, error) { return variable(r.exchange, name) }

func (r *response) ReadBody() ([]byte, error) { return content(r.exchange.Response) }

func (r *response) Write(b []byte) (int, error) {
	if r.body == nil {
		r.body = []byte{}
	}
	r.body = append(r.body, b...)
	return len(b), nil
}

func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// isWritten tells whether a filter has written a response, after which no other runs.
func (r *response) isWritten() bool { return r.status != 0 || r.body != nil }

func (r *response) apply() {
	m := r.exchange.Response
	if r.status != 0 {
		m.SetPseudo(":status", strconv.Itoa(r.status))
	}
	if r.body != nil {
		m.SetBody(r.body)
	}
}
