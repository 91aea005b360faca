#!/bin/bash
# image.sh NAME DOCKERFILE CONTEXT [OPTION...] builds an image by buildah, without Docker and without a registry, and hands
# it to the cluster if one runs. Options go to buildah, such as --build-arg A=B. A layer whose files are as they were is
# not built again, and an image that the node has is not handed over again.
#
# BASE, which the Dockerfile's FROM names, is what base.sh makes. The build reaches package indexes as this machine does: with
# its certificates, and its settings for apt, pip and Maven.
. "$(dirname "$0")/common.sh"
need_root
[ $# -ge 3 ] || fail "say image.sh NAME DOCKERFILE CONTEXT [OPTION...], as in image.sh localhost/inlet:1 Dockerfile ."
image=$1 dockerfile=$2 context=$3
shift 3

(cd "$project" && deployments/setup/debian.sh buildah debootstrap) ||
    cannot "images are built by buildah over debootstrap's Debian, which apt-get could not install here."
need flock unshare nsenter python3
lock
mkdir -p "$images"
chmod 700 "$images" # what it holds of an index may be a password
base=$("$scripts/base.sh" 9>&-)

# The machine's settings come by mounts, so that none of them is in the image: one may name a host or hold a password.
mounts=()
show() { # show PATH [AS]
    [ ! -e "$1" ] || mounts+=(--volume "$(realpath "$1"):${2:-$1}:ro")
}
apt-config dump | grep -E '^Acquire::(https?|Retries|Check|ForceIPv)' >"$images/apt.conf" || true # proxies above all
show "$images/apt.conf" /etc/apt/apt.conf.d/90machine
show /etc/apt/auth.conf
show /etc/apt/auth.conf.d
show ~/.m2/settings.xml /root/.m2/settings.xml
# pip's files, of which later ones prevail, and its variables, which prevail over all, as one file
python3 - >"$images/pip.conf" <<'END'
import configparser, os, pathlib, sys

settings = configparser.RawConfigParser()
settings.add_section("global")
for place in "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf", os.environ.get("PIP_CONFIG_FILE", "/dev/null"):
    settings.read(pathlib.Path(place).expanduser())
for name, value in os.environ.items():
    if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
        settings.set("global", name.removeprefix("PIP_").lower().replace("_", "-"), value)
settings.write(sys.stdout)
END
show "$images/pip.conf" /etc/pip.conf
show "${PIP_FIND_LINKS:-/nowhere}" # where that is a folder of wheels

log=$images/build.log
say "building $image (log: $log)"
began=$SECONDS
buildah bud --layers --isolation chroot --pull-never --build-arg BASE="$base" "${mounts[@]}" --iidfile "$images/id" \
    --file "$dockerfile" --tag "$image" "$@" "$context" >"$log" 2>&1 ||
    fail "it was not built: read $log, which ends in: $(tail -n 3 "$log")"
say "built after $((SECONDS - began)) s"

alive || exit 0
given=$run/image-$(tr -c 'a-zA-Z0-9\n' - <<<"$image")
cmp -s "$images/id" "$given" && exit 0
buildah push --quiet --disable-compression "$image" "docker-archive:/dev/stdout:$image" |
    in_containerd images import - >/dev/null || fail "the node did not take $image."
cp "$images/id" "$given"
say "handed to the node after $((SECONDS - began)) s"
