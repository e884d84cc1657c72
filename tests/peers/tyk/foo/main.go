package main

import "net/http"

// AddFooBarHeader adds a field for the upstream.
func AddFooBarHeader(rw http.ResponseWriter, r *http.Request) {
	r.Header.Add("Foo", "Bar")
}

func main() {}
