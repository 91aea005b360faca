#!/bin/bash
# base.sh makes the image that BASE names in a build (image.sh) and prints its name: this machine's own Debian, by
# debootstrap from the archive that apt uses, with Python. It is made again where the archives or the authorities that this
# machine trusts are others.
. "$(dirname "$0")/common.sh"

. /etc/os-release
distribution=${ID^} suite=${VERSION_CODENAME:-}
# Of other parties' repositories apt wants keys, which the base does not have.
# shellcheck disable=SC2016  # the fields are apt's
archives=$(apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) deb $(SITE) $(RELEASE) $(COMPONENT)' |
    sed -n "s/^$distribution Packages //p" | sort -u)
site=$(awk -v suite="$suite" '$3 == suite { print $2; exit }' <<<"$archives")
[ -n "$site" ] || cannot "apt knows no archive of ${suite:-this system}: run apt-get update."

# What the machine trusts beyond Debian's own authorities, such as a proxy's.
authorities=/usr/local/share/ca-certificates
state=$(echo "$archives" && cat "$0" && { find -L $authorities -type f -exec cat {} + 2>/dev/null || true; })
image=localhost/base:$(sha256sum <<<"$state" | head -c 12)
echo "$image"
buildah inspect --type image "$image" >/dev/null 2>&1 && exit 0

log=$images/base.log
say "making the base image by debootstrap (log: $log)"
exec 3>&2 >"$log" 2>&1
trap '[ $? -eq 0 ] || say "it was not made: read $log." 2>&3' EXIT

tree=$images/base
rm -rf "$tree"
eval "$(apt-config shell proxy Acquire::http::Proxy)"
[ -z "${proxy:-}" ] || export http_proxy=$proxy
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$tree" "$site"
echo "$archives" >"$tree/etc/apt/sources.list"
if [ -d $authorities ]; then
    cp -rL $authorities/. "$tree$authorities/"
    chroot "$tree" update-ca-certificates
fi
# Files alone: Java's package wants the folders of manual pages.
find "$tree"/var/cache/apt/archives "$tree"/var/lib/apt/lists "$tree"/usr/share/{doc,man,locale} -type f -delete

container=$(buildah from scratch)
buildah copy --quiet "$container" "$tree" /
buildah commit --quiet --rm "$container" "$image"
rm -rf "$tree"
