#!/bin/sh
# toxiproxy.sh builds toxiproxy into build/bin by the Go that is there; what go says goes to build/toxiproxy.log.
set -eu

version=v2.8.0 # the last that Debian 12's Go, 1.19, builds
bin=$PWD/build/bin
log=build/toxiproxy.log
mkdir -p "$bin"
CGO_ENABLED=0 GOBIN="$bin" go install "github.com/Shopify/toxiproxy/v2/cmd/server@$version" </dev/null >"$log" 2>&1 || {
    echo "toxiproxy could not be built: read $log." >&2
    exit 1
}
mv "$bin/server" "$bin/toxiproxy-server"
