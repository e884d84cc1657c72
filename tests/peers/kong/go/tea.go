package main

// go-pdk 0.5 has bodies as text.
var tea = "tea"

var Version, Priority = "0.2", 3
