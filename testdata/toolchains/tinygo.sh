#!/bin/bash
# tinygo.sh FOLDER OUTPUT: builds the plugin in FOLDER by the build line in the first comment of its main.go, with the
# TinyGo in TINYGO_PREFIX; or, where that is not set, in .toolchains/tinygo of the project, built there when missing.
set -euo pipefail
folder=$(realpath "$1") output=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
prefix=${TINYGO_PREFIX:-}
if [ -z "$prefix" ]; then
  prefix=$(realpath -m "$here/../../.toolchains/tinygo")
  "$here/tinygo/build.sh" "$prefix" >&2
fi
version=$("$prefix/bin/tinygo" version)
case $version in
  "tinygo version 0.39.0 "*" go1.25.6 and LLVM version 19."*) ;;
  *) echo "tinygo.sh: $version would build other bytes than TinyGo 0.39.0 with Go 1.25.6 and LLVM 19" >&2; exit 1 ;;
esac
export GOFLAGS=-buildvcs=false PATH=$prefix/bin:$PATH
cd "$folder"
line=$(sed -n '1s|^// Build: ||p' main.go)
eval "${line/-o plugin.wasm/-o $(printf %q "$output")}"
