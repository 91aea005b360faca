#!/bin/sh
# Spark 4 needs Java 17 or newer. Where it is there, this says nothing; as root on Debian or Ubuntu it installs it;
# elsewhere it says in one sentence how to, and exits 1.
set -eu

# Spark's own order: JAVA_HOME, where set, goes before PATH.
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

is_new_enough() {
    # openjdk version "17.0.15" is 17; java version "1.8.0_402" reads as 1, as well too old; macOS has a stub that is no Java.
    major=$("$java" -version 2>&1 | sed -n 's/^.* version "\([0-9]*\).*/\1/p' | head -n 1) || major=
    [ "${major:-0}" -ge 17 ]
}

say() {
    echo "inlet needs Java 17 or newer for Spark: $1." >&2
    exit 1
}

is_new_enough && exit 0
[ -z "${JAVA_HOME:-}" ] || say "JAVA_HOME is $JAVA_HOME, which is not; set it to one or unset it"

here=$(dirname "$0")
if command -v apt-get >/dev/null; then
    package=openjdk-17-jre-headless
    if [ "$(id -u)" -eq 0 ]; then
        # Debian 13 has 21 instead, as its default.
        { "$here/debian.sh" "$package" || "$here/debian.sh" default-jre-headless; } 2>/dev/null || true
        is_new_enough && exit 0
        say "apt-get (build/apt.log) put none on PATH; install one and put its java first there"
    fi
    say "sudo apt-get install $package"
elif command -v dnf >/dev/null; then
    say "sudo dnf install java-21-openjdk-headless"
elif command -v brew >/dev/null; then
    say "brew install --cask temurin@17"
fi
say "install it and put java on PATH"
