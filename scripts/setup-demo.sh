#!/usr/bin/env bash
# Prepares a cluster for the simulator's machines to join, and writes what to apply: a namespace, a server, profiles with
# the join in their cloud-init, hooks, operations.
#
#   scripts/setup-demo.sh [FLAG...]
#
#   --kind                use a kind cluster, stargate-demo, made if there is none (needs kind and docker)
#   --kubeconfig FILE     use a cluster of your own, made by kubeadm or the like
#                         without either: the embedded control plane of this checkout, started if it is not up
#   --dir DIR             where the files go (/tmp/stargate-demo)
#   --gateway ADDRESS     of the simulator's bridge, where machines find this host (192.168.100.1)
#   --endpoint HOST:PORT  where machines find the API server of --kubeconfig (what its cluster-info says)
#   --server NAME         of the machine and its node (server-001)
#   --ipv4 ADDRESS        of the machine (192.168.100.11)
#   --versions "A B"      OS versions for operation.yaml and operation-next.yaml ("1.0.0 1.1.0")
#   --image URL           image of every version (the simulator's default, Ubuntu 22.04); @VERSION@ in it is replaced
#   --ssh-key FILE        public key that may log in (one made in DIR)
#   --dry-run             say what would be done, and do nothing
#
# It can be run again at any time: what is there is kept, a bootstrap token that ends soon is replaced. The token is good
# for an hour, and is nowhere but in the cluster and in profile.yaml, which only you can read.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

cluster=embedded kubeconfig='' dir=/tmp/stargate-demo gateway=192.168.100.1 endpoint='' server=server-001 ipv4=192.168.100.11
versions='1.0.0 1.1.0' image='' ssh_key='' dry='' hosts=''
kind_name=stargate-demo kind_port=6443
token_seconds=3600 token_least=1800 # a token with less left is replaced

say() { echo "setup-demo: $*" >&2; }
die() {
	say "$*"
	exit 1
}
usage() {
	sed -n '5,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 64
}

# --- what is asked for --------------------------------------------------------

parse() {
	while [[ $# -gt 0 ]]; do
		case $1 in
		--kind) cluster=kind ;;
		--dry-run) dry=yes ;;
		--kubeconfig | --dir | --gateway | --endpoint | --server | --ipv4 | --versions | --image | --ssh-key)
			[[ $# -ge 2 && -n $2 ]] || die "$1 needs a value"
			local name=${1#--}
			printf -v "${name//-/_}" %s "$2"
			[[ $1 != --kubeconfig ]] || cluster=own
			shift
			;;
		-h | --help) usage ;;
		*)
			say "unknown argument $1"
			usage
			;;
		esac
		shift
	done
}

# like refuses what does not look as it should: it goes into YAML and into commands.
like() { # FLAG VALUE PATTERN EXAMPLE
	[[ $2 =~ ^($3)$ ]] || die "$1 $2 cannot be; it looks like $4"
}

check() {
	local octet='(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])' version
	like --gateway "$gateway" "($octet\\.){3}$octet" 192.168.100.1
	like --ipv4 "$ipv4" "($octet\\.){3}$octet" 192.168.100.11
	like --server "$server" '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?' server-001
	[[ -z $endpoint ]] || like --endpoint "$endpoint" '[A-Za-z0-9.-]+:[0-9]+' 203.0.113.5:6443
	[[ -z $image ]] || like --image "$image" '(https?|file)://[^"[:space:]]+' https://images.example.com/os.img
	[[ $(wc -w <<<"$versions") == 2 ]] || die "--versions \"$versions\" cannot be; two are needed, as \"1.0.0 1.1.0\""
	for version in $versions; do like --versions "$version" '[a-z0-9]([-a-z0-9.]{0,30}[a-z0-9])?' '"1.0.0 1.1.0"'; done
	[[ -z $ssh_key || -r $ssh_key ]] || die "--ssh-key $ssh_key cannot be read"
	[[ $cluster != own || -r $kubeconfig ]] || die "--kubeconfig $kubeconfig cannot be read"
	need kubectl openssl
	[[ -n $ssh_key ]] || need ssh-keygen
	[[ $cluster != kind ]] || need kind docker
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || die "$tool is needed, and not installed"
	done
}

# will says what a dry run would do, and tells whether to do it.
will() {
	[[ -n $dry ]] || return 0
	echo "would $*"
	return 1
}

# --- the cluster --------------------------------------------------------------

embedded() {
	kubeconfig=${STARGATE_STATE:-$root/.stargate}/kubeconfig
	will "start the embedded control plane of $root on loopback, and on $gateway for nodes" || return 0
	if hack/controlplane.sh status >/dev/null && [[ $(published) != https://$gateway:* ]]; then
		say "the control plane runs, and nodes cannot join it: starting it again"
		hack/controlplane.sh down
	fi
	hack/controlplane.sh up --join-address "$gateway" >/dev/null
}

in_kind() {
	kubeconfig=$dir/kubeconfig
	endpoint=$gateway:$kind_port
	# Its nodes know the API server by this name, which docker's own names are for.
	hosts="$gateway $kind_name-control-plane"
	will "make the kind cluster $kind_name unless it is there, published on port $kind_port" || return 0
	if ! kind get clusters 2>/dev/null | grep -qxF "$kind_name"; then
		kind create cluster --name "$kind_name" --kubeconfig "$kubeconfig" --wait 2m --config - <<-END
			kind: Cluster
			apiVersion: kind.x-k8s.io/v1alpha4
			networking:
			  apiServerAddress: "0.0.0.0"
			  apiServerPort: $kind_port
			kubeadmConfigPatches:
			  - |
			    kind: ClusterConfiguration
			    apiServer:
			      certSANs: [localhost, 127.0.0.1, "$gateway", $kind_name-control-plane]
		END
	fi
	kind export kubeconfig --name "$kind_name" --kubeconfig "$kubeconfig"
	# It would say 0.0.0.0, for which there is no certificate.
	kubectl --kubeconfig "$kubeconfig" config set-cluster "kind-$kind_name" --server "https://127.0.0.1:$kind_port" >/dev/null
}

prepare() {
	case $cluster in
	embedded) embedded ;;
	kind) in_kind ;;
	own) will "use the cluster of $kubeconfig" || true ;;
	esac
	export KUBECONFIG=$kubeconfig
	will 'install the kinds and admission policies of Stargate into it' || return 0
	make install-crds >&2
}

# info prints a field of the cluster that kube-public/cluster-info publishes: a kubeconfig with one cluster in it.
info() {
	kubectl --kubeconfig "$kubeconfig" -n kube-public get configmap cluster-info -o jsonpath='{.data.kubeconfig}' 2>/dev/null |
		sed -n "s/^[- ]*$1: *\"\{0,1\}\([^\" ]*\).*/\1/p" | head -n 1
}

published() { info server; }

# ca_hash is what kubeadm pins the authority by: the digest of its public key.
ca_hash() {
	local digest
	digest=$(info certificate-authority-data | base64 -d | openssl x509 -pubkey -noout | openssl pkey -pubin -outform der |
		openssl dgst -sha256 -r) || die "reading the certificate authority of the cluster failed"
	echo "sha256:${digest%% *}"
}

# --- the token ----------------------------------------------------------------

# token prints a bootstrap token that is good for a while yet, made if there is none. It is never an argument of a
# command, where anybody on this host could read it.
token() {
	local id secret until
	while read -r id secret until; do
		[[ $(($(date -d "$until" +%s) - $(date +%s))) -lt $token_least ]] || {
			echo "$id.$secret $until"
			return
		}
	done < <(kubectl -n kube-system get secrets -l stargate.io/demo=join -o go-template='{{range .items}}{{index .data "token-id" | base64decode}} {{index .data "token-secret" | base64decode}} {{index .data "expiration" | base64decode}}{{"\n"}}{{end}}')
	id=$(random 3) secret=$(random 8) until=$(date -u -d "+$token_seconds seconds" +%Y-%m-%dT%H:%M:%SZ)
	kubectl create -f - >/dev/null <<-END
		apiVersion: v1
		kind: Secret
		metadata:
		  name: bootstrap-token-$id
		  namespace: kube-system
		  labels: {stargate.io/demo: join}
		type: bootstrap.kubernetes.io/token
		stringData:
		  description: machines of the demo join with it
		  token-id: "$id"
		  token-secret: "$secret"
		  expiration: $until
		  usage-bootstrap-authentication: "true"
		  usage-bootstrap-signing: "true"
		  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
	END
	echo "$id.$secret $until"
}

random() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# signed waits until nodes can check cluster-info with the token.
signed() {
	local try
	for ((try = 0; try < 150; try++)); do
		[[ -z $(kubectl -n kube-public get configmap cluster-info -o jsonpath="{.data.jws-kubeconfig-${1%%.*}}") ]] || return 0
		sleep 0.2
	done
	die "the cluster does not sign kube-public/cluster-info: nodes could not trust it; does its bootstrap signer run?"
}

# --- the files ----------------------------------------------------------------

# fill prints a template with each @NAME@ replaced. One that has a line to itself may become several, which are indented
# as it is, or none.
fill() { # TEMPLATE NAME=VALUE...
	local line pair text
	local -a pairs=("${@:2}")
	while IFS= read -r line; do
		for pair in "${pairs[@]}"; do
			text=${pair#*=}
			if [[ $line =~ ^(\ *)@${pair%%=*}@$ ]]; then
				# shellcheck disable=SC2001 # of each line, which no expansion does
				[[ -z $text ]] || sed "s/^./${BASH_REMATCH[1]}&/" <<<"$text"
				continue 2
			fi
			line=${line//@${pair%%=*}@/"$text"}
		done
		printf '%s\n' "$line"
	done <"scripts/demo/$1"
}

# put writes a file whole or not at all, for its owner alone.
put() { # NAME, content on stdin
	local file=$dir/$1
	if ! will "write $file"; then
		cat >/dev/null
		return
	fi
	rm -f "$file.new"
	(set -o noclobber && cat >"$file.new")
	mv -f "$file.new" "$file"
}

# login prints the line of user data with the keys that may log in.
login() {
	[[ -n $ssh_key ]] || ssh_key=$dir/ssh.pub
	if [[ ! -e $ssh_key ]] && will "make a key to log in with, $dir/ssh"; then
		ssh-keygen -q -t ed25519 -N '' -C stargate-demo -f "$dir/ssh" >&2
	fi
	[[ ! -r $ssh_key ]] || echo "ssh_authorized_keys: [\"$(head -n 1 "$ssh_key")\"]"
}

profile() { # VERSION TOKEN EXPIRES ENDPOINT CA_HASH
	local join data network='' image_line='' keys
	[[ $cluster != embedded ]] || network=bridge
	[[ -z $image ]] || image_line="osImage: \"${image//@VERSION@/$1}\""
	keys=$(login)
	join=$(cat scripts/demo/join.sh)
	data=$(fill user-data.yaml "JOIN=$join" "OS_VERSION=$1" "TOKEN=$2" "ENDPOINT=$4" "CA_HASH=$5" \
		"KUBERNETES=$kubernetes" "POD_NETWORK=$network" "HOSTS_LINE=$hosts" "SSH_KEYS=$keys")
	fill profile.yaml "USER_DATA=$data" "OS_VERSION=$1" "EXPIRES=$3" "IMAGE=$image_line"
}

# mac gives the machine one of its own: 52:54 is of those that anybody may use, the rest is its address.
mac() {
	local a b c d
	IFS=. read -r a b c d <<<"$ipv4"
	printf '52:54:%02x:%02x:%02x:%02x\n' $((10#$a)) $((10#$b)) $((10#$c)) $((10#$d))
}

files() { # TOKEN EXPIRES ENDPOINT CA_HASH
	local version
	put namespace.yaml <scripts/demo/namespace.yaml
	fill server.yaml "SERVER=$server" "MAC=$(mac)" "IPV4=$ipv4" | put server.yaml
	for version in $versions; do
		echo ---
		profile "$version" "$@"
	done | put profile.yaml
	put hook.yaml <scripts/demo/hook.yaml
	local name=operation.yaml # of the first version
	for version in $versions; do
		fill operation.yaml "SERVER=$server" "OS_VERSION=$version" | put "$name"
		name=operation-next.yaml
	done
}

main() {
	parse "$@"
	check
	umask 077
	will "make $dir" && mkdir -p "$dir"
	if [[ -e $dir || -L $dir ]]; then
		# What is in it is applied, and logs in: nobody else may put something there.
		[[ -d $dir && ! -L $dir && -O $dir ]] || die "$dir is not a folder of yours: remove it, or give another with --dir"
		will "close $dir to others" && chmod 700 "$dir"
	fi
	prepare
	local joining=TOKEN expires=LATER hash=HASH
	kubernetes=VERSION
	if will 'make a bootstrap token, good for an hour'; then
		[[ -n $endpoint ]] || endpoint=$(published) || true
		[[ -n $endpoint ]] || die "the cluster publishes no kube-public/cluster-info, so that nodes cannot join with a token; give one that kubeadm made"
		endpoint=${endpoint#https://}
		hash=$(ca_hash)
		kubernetes=$(kubectl get --raw /version | sed -n 's/.*"gitVersion": *"\(v[0-9]*\.[0-9]*\).*/\1/p')
		read -r joining expires < <(token)
		signed "$joining"
	fi
	files "$joining" "$expires" "$endpoint" "$hash"
	local folder=''
	# The simulator reads files only from where it is told to.
	[[ $image != file://* ]] || folder=${image#file://} folder=" --image-folder ${folder%/*}"
	cat <<-END

		Next, with export KUBECONFIG=$kubeconfig in each terminal:

		  sudo ./bin/simulator --kubeconfig $kubeconfig$folder
		  kubectl apply -f $dir/namespace.yaml -f $dir/server.yaml -f $dir/profile.yaml -f $dir/hook.yaml
		  kubectl apply -f $dir/operation.yaml
	END
}

main "$@"
