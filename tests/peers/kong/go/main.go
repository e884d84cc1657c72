package main

import "github.com/Kong/go-pdk/server"

var tea = []byte("tea")

func main() { server.StartServer(New, "0.1", 1) }
