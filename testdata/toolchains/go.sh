#!/bin/bash
# go.sh FOLDER OUTPUT: builds the plugin in FOLDER by the build line in the first comment of its main.go, with the
# standard Go compiler pinned here. Any Go from 1.21 fetches that one, once.
set -euo pipefail
output=$(realpath -m "$2")
cd "$1"
command -v go >/dev/null || { echo "go.sh: no go command: https://go.dev/dl, or golang-go of your distribution" >&2; exit 1; }
export GOTOOLCHAIN=go1.25.6 GOFLAGS=-buildvcs=false
line=$(sed -n '1s|^// Build: ||p' main.go)
eval "${line/-o plugin.wasm/-o $(printf %q "$output")}"
