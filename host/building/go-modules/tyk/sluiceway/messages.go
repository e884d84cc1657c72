package sluiceway

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"sluiceway"
	"strconv"
)

// body is the content of a message that is fetched when it is read. It can be read again after its end, as Tyk's can.
type body struct {
	message *sluiceway.Message
	reader  *bytes.Reader
}

func (b *body) Read(into []byte) (int, error) {
	if b.reader == nil {
		content, err := b.message.Body()
		if err != nil {
			return 0, err
		}
		b.reader = bytes.NewReader(content)
	}
	count, err := b.reader.Read(into)
	if err == io.EOF {
		b.reader = nil
	}
	return count, err
}

func (b *body) Close() error {
	b.reader = nil
	return nil
}

// newRequest returns the request as a server of net/http has it.
func newRequest(e *sluiceway.Exchange) *http.Request {
	m := e.Request
	header := m.Header()
	path := m.Pseudo(":path")
	location, err := url.ParseRequestURI(path)
	if err != nil {
		location = &url.URL{Path: path}
	}
	return &http.Request{
		Method:        m.Pseudo(":method"),
		URL:           location,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Host:          m.Pseudo(":authority"),
		RequestURI:    path,
		RemoteAddr:    e.Text("source", "address"),
		Body:          &body{message: m},
		ContentLength: contentLength(header),
	}
}

func contentLength(header http.Header) int64 {
	value := header.Get("Content-Length")
	if value == "" {
		return 0
	}
	length, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return -1
	}
	return length
}

// applyRequest takes over what the handlers have changed in the request, whose target was `target` before: a URL does
// not always print as it was written.
func applyRequest(e *sluiceway.Exchange, r *http.Request, target string) {
	m := e.Request
	change := func(name, value string) {
		if value != "" && value != m.Pseudo(name) {
			m.SetPseudo(name, value)
		}
	}
	change(":method", r.Method)
	change(":authority", r.Host)
	if r.URL != nil && r.URL.RequestURI() != target {
		change(":path", r.URL.RequestURI())
	}
	m.ReplaceHeader(r.Header)
}

// takeBody takes over a body that a handler has put in the place of ours, and returns one that the next can read.
func takeBody(m *sluiceway.Message, content io.ReadCloser) io.ReadCloser {
	if _, isOurs := content.(*body); !isOurs && content != nil {
		replacement, err := io.ReadAll(content)
		if err != nil {
			panic(err)
		}
		m.SetBody(replacement)
	}
	return &body{message: m}
}

func newResponse(e *sluiceway.Exchange, r *http.Request) *http.Response {
	m := e.Response
	header := m.Header()
	status, _ := strconv.Atoi(m.Pseudo(":status"))
	return &http.Response{
		Status:        m.Pseudo(":status") + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          &body{message: m},
		ContentLength: contentLength(header),
		Request:       r,
	}
}

func applyResponse(e *sluiceway.Exchange, response *http.Response) {
	m := e.Response
	if status := strconv.Itoa(response.StatusCode); status != m.Pseudo(":status") {
		m.SetPseudo(":status", status)
	}
	m.ReplaceHeader(response.Header)
}

// responseWriter lets a response handler write the response that it is given, as its first argument.
type responseWriter struct {
	response *http.Response
	content  *bytes.Buffer
}

func (w *responseWriter) Header() http.Header { return w.response.Header }

func (w *responseWriter) WriteHeader(status int) { w.response.StatusCode = status }

func (w *responseWriter) Write(data []byte) (int, error) {
	if w.content == nil {
		w.content = &bytes.Buffer{}
		w.response.Body = io.NopCloser(w.content)
	}
	return w.content.Write(data)
}
