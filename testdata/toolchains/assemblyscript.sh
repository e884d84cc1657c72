#!/bin/bash
# assemblyscript.sh FOLDER OUTPUT: builds index.ts in FOLDER with the compiler and the SDK that its package-lock.json
# pins. The SDK needs a compiler of its time; what that prints (warnings about the precision of numbers in the library)
# is shown only when it fails.
set -euo pipefail
folder=$1 output=$(realpath -m "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$folder"/{index.ts,package.json,package-lock.json} "$work"
cd "$work"
npm ci --silent --no-audit --no-fund
npx --no-install asc index.ts -b plugin.wasm --use abort=abort_proc_exit --optimize >log 2>&1 || { cat log >&2; exit 1; }
install -m 644 plugin.wasm "$output"
