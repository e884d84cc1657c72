#!/bin/bash
# rust.sh FOLDER OUTPUT: builds the locked Cargo package in FOLDER for the target that its .cargo/config.toml names.
# Debian's rustc-web has no standard library for the wasm targets, so cargo compiles it from rust-web-src: about 50 s.
# The same bytes come out of any folder, since trim-paths takes the paths out.
set -euo pipefail
folder=$1 output=$(realpath -m "$2")
pinned="rustc 1.96.0"
pkgs=(rustc-web cargo-web rust-web-src lld-19 wasi-libc)
if ! dpkg -s "${pkgs[@]}" >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${pkgs[@]}" >/dev/null
fi
installed() { dpkg -L "$1" | grep "/$2\$"; }
RUSTC=$(installed rustc-web usr/bin/rustc)
case $("$RUSTC" --version) in
  "$pinned "*) ;;
  *) echo "rust.sh: $("$RUSTC" --version) would build other bytes than $pinned" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RUSTC RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work
export CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld-19 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
RUSTFLAGS="-C link-arg=--allow-undefined -L native=$(dirname "$(installed wasi-libc libc.a)")"
export RUSTFLAGS
cd "$folder"
"$(installed cargo-web usr/bin/cargo)" build -q --locked --release \
  -Z build-std=std,panic_abort -Z trim-paths --config 'profile.release.trim-paths="all"'
install -m 644 "$work"/wasm32-*/release/*.wasm "$output"
