#!/bin/bash
# coraza.sh OUTPUT: builds coraza-proxy-wasm, the web application firewall of OWASP, with the OWASP Core Rule Set in it,
# by the standard Go compiler, from the module proxy at a pinned version. Takes a minute; the binary has 20 MB.
#
# Its sources are for TinyGo 0.34 and the SDK that goes with it. The successor of that SDK has the same interface and
# works with standard Go, so its name is put in place of the old one, and the plugin registers itself in init(), as a
# c-shared build never runs main().
set -euo pipefail
output=$(realpath -m "$1")
module=github.com/corazawaf/coraza-proxy-wasm@v0.0.0-20260824140537-b1770f5b0be3
old=github.com/tetratelabs/proxy-wasm-go-sdk new=github.com/proxy-wasm/proxy-wasm-go-sdk
new_version=v0.0.0-20250212164326-ab4161dcf924

command -v go >/dev/null || { echo "coraza.sh: no go command: https://go.dev/dl, or golang-go of your distribution" >&2; exit 1; }
export GOTOOLCHAIN=go1.25.6 GOFLAGS="-mod=mod -buildvcs=false"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init download >/dev/null 2>&1
source=$(go mod download -json "$module" | sed -n 's|^\t"Dir": "\(.*\)",\?$|\1|p')
cp -r "$source" plugin
chmod -R u+w plugin
cd plugin
rm -rf e2e ftw example go.work go.work.sum mage.go init_tinygo.go
find . -name '*_test.go' -delete
grep -rl --include='*.go' "$old" . | xargs sed -i "s#$old#$new#g"
sed -i 's/^func main() {/func main() {}\n\nfunc init() {/' main.go
go mod edit -droprequire="$old" -require="$new@$new_version"
# The guest has no file system: without the tag a configuration is refused for that.
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -tags=no_fs_access -trimpath -ldflags=-s -o "$output" .
