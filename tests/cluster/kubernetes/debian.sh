#!/bin/bash
# debian.sh fetches the parts that come from Debian and unpacks them. Nothing is installed, so no service starts and what
# the machine has of its own (Docker's containerd, its firewall's iptables) is left alone.
. "$(dirname "$0")/common.sh"

packages=(
    containerd runc containernetworking-plugins
    iptables conntrack # kube-proxy's
    # and the libraries that these want beyond Debian's smallest system
    libip4tc2 libip6tc2 libxtables12 libnftnl11 libmnl0 libnfnetlink0 libnetfilter-conntrack3 libseccomp2
)
lock
[ "$(cat "$debian/packages" 2>/dev/null)" = "${packages[*]}" ] && exit 0

command -v apt-get >/dev/null ||
    cannot "containerd and its like come from Debian, and there is no apt-get. Name a cluster of your own in KUBECONFIG."
say "fetching containerd, runc, CNI plugins and iptables from Debian"
rm -rf "$debian"
mkdir -p "$debian" "$home/debs"
cd "$home/debs"
if ! apt-get download -qq "${packages[@]}" >"$home/debs.log" 2>&1; then
    apt-get update -qq >>"$home/debs.log" 2>&1 || true # lists that are absent, or older than the archive
    apt-get download -qq "${packages[@]}" >>"$home/debs.log" 2>&1 ||
        fail "apt-get could not download them: is there a network? It says why in $home/debs.log."
fi
for package in "${packages[@]}"; do # of several versions, the one that was fetched last
    dpkg-deb -x "$(find . -name "${package}_*.deb" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)" "$debian"
done
for program in iptables ip6tables; do # Debian's alternatives, which only an installation makes
    for end in '' -save -restore; do
        ln -sfn xtables-nft-multi "$debian/usr/sbin/$program$end"
    done
done
echo "${packages[*]}" >"$debian/packages"
