package main

import "net/http"

func Header(rw http.ResponseWriter, r *http.Request) {
	r.Header.Set("X-Go-Wasm", "APISIX")
}

func main() {}
