#!/bin/sh
# Makes this machine a node: installs what its image has not, and joins as /etc/stargate/join.yaml says.
#   stargate-join KUBERNETES POD_NETWORK HOSTS_LINE
# KUBERNETES is the minor version to install, as v1.37. POD_NETWORK is "bridge" where the cluster brings no network of
# its own, else empty. HOSTS_LINE goes into /etc/hosts where the API server has a name that only it knows.
set -eu
kubernetes=$1 network=$2 hosts=$3

say() { echo "stargate-join: $*"; }

install_missing() {
	export DEBIAN_FRONTEND=noninteractive
	missing=
	for tool in containerd:containerd conntrack:conntrack iptables:iptables ethtool:ethtool curl:curl gpg:gpg; do
		command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
	done
	apt-get -q update
	# shellcheck disable=SC2086 # words that are packages
	[ -z "$missing" ] || apt-get -q -y install --no-install-recommends $missing
	repository=https://pkgs.k8s.io/core:/stable:/$kubernetes/deb
	mkdir -p /etc/apt/keyrings
	curl -fsSL --retry 5 "$repository/Release.key" | gpg --batch --yes --dearmor -o /etc/apt/keyrings/kubernetes.gpg
	echo "deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] $repository/ /" >/etc/apt/sources.list.d/kubernetes.list
	apt-get -q update
	apt-get -q -y install --no-install-recommends kubelet kubeadm kubernetes-cni
}

# Pods of this node reach the network by a bridge of its own. Those of other nodes they do not reach.
bridge() {
	mkdir -p /etc/cni/net.d
	[ -z "$(ls /etc/cni/net.d)" ] || return 0
	cat >/etc/cni/net.d/10-bridge.conflist <<'CNI'
{"cniVersion": "1.0.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
CNI
}

for tool in containerd kubelet kubeadm; do
	command -v "$tool" >/dev/null && continue
	say "installing containerd, kubelet and kubeadm $kubernetes"
	install_missing
	break
done
if [ -n "$hosts" ]; then
	grep -qxF "$hosts" /etc/hosts || echo "$hosts" >>/etc/hosts
fi
printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/kubernetes.conf
modprobe -a overlay br_netfilter || say "kernel modules are missing; kubeadm says which matter"
echo 'net.ipv4.ip_forward = 1' >/etc/sysctl.d/99-kubernetes.conf
sysctl -q -w net.ipv4.ip_forward=1
[ "$network" != bridge ] || bridge
# The kubelet keeps cgroups by systemd, and so must the runtime.
if ! grep -qs 'SystemdCgroup = true' /etc/containerd/config.toml; then
	mkdir -p /etc/containerd
	containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
	systemctl restart containerd
fi
systemctl enable --now containerd
systemctl enable kubelet

# The API server may be restarting, and the machine's former node may still be known as ready.
end=$(($(date +%s) + 600))
until kubeadm join --config /etc/stargate/join.yaml; do
	[ "$(date +%s)" -lt "$end" ] || { say "given up after ten minutes: is the token of join.yaml still good?"; exit 1; }
	say "trying again in 10 s"
	kubeadm reset --force >/dev/null 2>&1 || true
	sleep 10
done
rm -f /etc/stargate/join.yaml
say "joined"
