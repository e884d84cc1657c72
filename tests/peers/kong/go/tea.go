package main

import "github.com/Kong/go-pdk"

// go-pdk 0.5 has bodies as text.
var tea = "tea"

func tell(*pdk.PDK) {}

var Version, Priority = "0.2", 3
