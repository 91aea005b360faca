#!/bin/bash
# build.sh makes Kubernetes and etcd into one binary from Go's modules, and the pause image. On two cores it takes ten
# minutes, and until it is done 600 MB for the modules and 3 GB for what the compiler keeps; unchanged it does nothing.
. "$(dirname "$0")/common.sh"

version=1.34.4
staged=v0.${version#1.} # the version of k8s.io/api and so on, which are modules of their own

lock
wanted=$(cat "$scripts/build.sh" "$scripts"/go/*/main.go | sha256sum)
[ "$(cat "$home/bin/built" 2>/dev/null)" = "$wanted" ] && exit 0

command -v go >/dev/null || cannot "Kubernetes is built by Go 1.24 or newer, which is not there: go.dev/dl."
minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
[ "${minor:-0}" -ge 21 ] || # which fetch a newer one of themselves
    cannot "Kubernetes is built by Go 1.24 or newer, and this is $(go env GOVERSION): go.dev/dl."

log=$home/build.log
say "building Kubernetes $version, which takes up to ten minutes the first time (log: $log)"
exec 3>&2 >"$log" 2>&1
trap '[ $? -eq 0 ] || say "it was not built: read $log. Without a network Go finds no modules." 2>&3' EXIT

export CGO_ENABLED=0 GOFLAGS="-mod=mod -modcacherw -buildvcs=false -trimpath"
export GOGC=400 # the compiler collects its garbage less often: there is memory, and too little time
export GOMODCACHE="${GOMODCACHE:-$home/cache/modules}" GOCACHE="${GOCACHE:-$home/cache/go}"
rm -rf "${home:?}/bin" "$home/src"
mkdir -p "$home/bin" "$home/src"
cd "$home/src"
cp -r "$scripts"/go/* .

# k8s.io/kubernetes cannot be required as it is: its go.mod takes the modules that are made from it from folders of its own
# repository, which are not in it. The same go.mod with their published versions in place of the folders can.
theirs=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
sed "s#=> \./staging/src/\(.*\)#=> \1 $staged#" "$theirs" >go.mod
go mod edit -module=cluster -require="k8s.io/kubernetes@v$version"

bare="-s -w" # without what a debugger wants
flags=$bare
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do # what it says it is
    flags="$flags -X $package.gitVersion=v$version -X $package.gitTreeState=clean"
    flags="$flags -X $package.gitMajor=1 -X $package.gitMinor=34"
done
go build -ldflags "$bare" -o image/pause ./pause
go build -gcflags=all=-dwarf=false -ldflags "$flags" -o "$home/bin/kubernetes" ./all
for part in etcd kubectl kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
    ln -s kubernetes "$home/bin/$part"
done

# The pause image, as `docker save` would write it.
tar --owner=0 --group=0 --numeric-owner -C image -cf layer.tar pause
cat >config.json <<END
{"architecture": "$(go env GOARCH)", "os": "linux", "config": {"Entrypoint": ["/pause"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum layer.tar | cut -d ' ' -f 1)"]}}
END
echo '[{"Config": "config.json", "RepoTags": ["localhost/pause:1"], "Layers": ["layer.tar"]}]' >manifest.json
tar -cf "$home/bin/pause.tar" manifest.json config.json layer.tar

cd "$home"
rm -rf src cache
echo "$wanted" >bin/built
