#!/bin/sh
# debian.sh PACKAGE... installs those Debian packages that are missing; apt-get's output goes to build/apt.log.
# Exits 2 without a word where it may not (no root, no apt-get), so that the caller can say what it wanted them for.
set -eu

command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || exit 2

missing=
for package; do
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

mkdir -p build
log=build/apt.log
# A failed update is not the end: the lists that are there may do.
apt-get update </dev/null >>"$log" 2>&1 || true
failed=
for package in $missing; do # one by one, as Ubuntu has no chromium package and the others shall be there all the same
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package" </dev/null >>"$log" 2>&1 ||
        failed="$failed $package"
done
[ -z "$failed" ] || {
    echo "apt-get could not install$failed: read $log, then install by hand." >&2
    exit 1
}
