#!/usr/bin/env bash
# Makes a test image (hack/testimage.sh) with what a node needs in it: containerd, kubelet, kubeadm and what they call.
# A machine that boots from it joins a cluster without fetching anything.
#
#   hack/nodeimage.sh OUT.qcow2|- [FLAG...]     flags go to hack/testimage.sh, as --version 12.2 or --if-cached
#
# Needs what hack/testimage.sh and hack/nodebinaries.sh need. The programs are kept apart from the image, so that another
# version of it takes seconds.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[[ $# -ge 1 ]] || {
	sed -n '5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 64
}

# What Debian has of it. Its containerd is older than what Kubernetes asks for.
packages='runc containernetworking-plugins conntrack iptables ethtool'

# Without the programs there is no image with them either; --if-cached must not build them.
if [[ " $* " == *' --if-cached '* ]]; then
	while read -r program; do
		[[ -x $program ]] || exit 3
	done < <("$root/hack/nodebinaries.sh" path)
fi
programs=$("$root/hack/nodebinaries.sh" build)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/node # the name is part of the image's key
mkdir -p "$tree"/{usr/bin,opt/cni,etc/containerd,etc/systemd/system/multi-user.target.wants}
while read -r program; do
	cp "$program" "$tree/usr/bin/"
done <<<"$programs"
cp "$root"/test/node/files/*.service "$tree/etc/systemd/system/"
cp "$root/test/node/files/containerd.toml" "$tree/etc/containerd/config.toml"
ln -s ../containerd.service "$tree/etc/systemd/system/multi-user.target.wants/containerd.service"
ln -s /usr/lib/cni "$tree/opt/cni/bin" # where everybody but Debian has them
"$root/hack/testimage.sh" "$1" --with-packages "$packages" --add "$tree:/" "${@:2}"
