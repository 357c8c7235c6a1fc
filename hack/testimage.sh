#!/usr/bin/env bash
# Makes a disk with Debian 12 on it that boots, finds its cloud-init seed and can be logged in to: what the
# simulator's tests put on their machines. Made of Debian's packages alone, without loop devices or mounts of images.
#
#   hack/testimage.sh OUT.qcow2              copy it to OUT.qcow2; "-" prints where it is kept instead
#     --version 12.1                         what the system says of itself (VERSION_ID): another makes another image
#     --with-packages "containerd runc"      more of Debian's packages
#     --add FILE:PATH                        a file, or what is in a folder, put at PATH; owned by root, modes kept
#     --if-cached                            never build: ends with 3 where it is not kept
#
# It boots from its own disk, under SeaBIOS (syslinux) and OVMF (a unified kernel image). The console is ttyS0. It is
# tuned to come up quickly without KVM: few cloud-init modules, one kind of host key, no mitigations. The kernel is
# Debian's for clouds, which knows virtio and no SATA: give it its disk and seed by virtio-blk or virtio-scsi. The
# root file system grows to the disk that it finds itself on.
#
# Kept in ${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}/testimage-<key>/, packages and disks apart: a
# second version takes seconds. Needs root, and: mmdebstrap mtools syslinux syslinux-common fdisk dosfstools
# e2fsprogs systemd-boot-efi binutils qemu-utils.
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
cache=${STARGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stargate}
keep=6 # disks kept, and as many package sets

say() { echo "testimage: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# --- what is asked for ---------------------------------------------------------

out='' version=12.1 packages='' cached_only='' added=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--version) version=${2:?--version takes a number}; shift ;;
	--with-packages) packages=${2?--with-packages takes names}; shift ;;
	--add) added+=("${2:?--add takes FILE:PATH}"); shift ;;
	--if-cached) cached_only=1 ;;
	-?*) die "unknown flag $1; see the head of $self" ;;
	*)
		[[ -z $out ]] || die "one OUT.qcow2, not $out and $1"
		out=$1
		;;
	esac
	shift
done
[[ -n $out ]] || { sed -n '2,19s/^# \{0,1\}//p' "$self" >&2; exit 64; }
[[ $version =~ ^[0-9][0-9.]*$ ]] || die "--version $version: digits and dots only"
for add in "${added[@]}"; do
	[[ $add == *:/* && -e ${add%:*} ]] || die "--add $add: FILE:/PATH, of a FILE that is there"
done

# What every image has. Sorted apart from what was asked for in addition, so that the key does not depend on its order.
base="systemd-sysv systemd udev dbus kmod linux-image-cloud-amd64 initramfs-tools lz4 cloud-init cloud-guest-utils
	openssh-server sudo iproute2 iputils-ping procps ca-certificates"
read -ra base <<<"${base//$'\n'/ }"
read -ra more <<<"${packages//$'\n'/ }"

key() { sha256sum | cut -c1-20; }

# hashes names the content of what is added, links and modes too.
hashes() {
	local add
	for add in "${added[@]}"; do
		echo "to ${add##*:}"
		(cd "$(dirname "${add%:*}")" && tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - -- "$(basename "${add%:*}")") | sha256sum
	done
}

# --- packages --------------------------------------------------------------------

# apt_options passes on what this host's apt was told about its network and about dates.
apt_options() {
	local name value=''
	for name in Acquire::http::Proxy Acquire::https::Proxy Acquire::Check-Valid-Until Acquire::Check-Date; do
		eval "$(apt-config shell value "$name")"
		[[ -z $value ]] || printf -- '--aptopt=%s "%s"\n' "$name" "$value"
		value=''
	done
}

# install_packages makes the tar of the root file system.
install_packages() { # TAR
	local names options
	names=$(printf '%s,' "${base[@]}" "${more[@]}")
	mapfile -t options < <(apt_options)
	mmdebstrap --quiet --variant=minbase --include="${names%,}" "${options[@]}" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
		--essential-hook="$(declare -f initramfs_settings); initramfs_settings \"\$1\"" \
		--customize-hook='chroot "$1" systemctl -q enable systemd-networkd ssh' \
		bookworm "$1" >&2
}

# initramfs_settings: no more in it than finds a root on virtio, packed so that unpacking is quick. Set before the kernel
# is installed, or it would be made twice.
initramfs_settings() { # ROOT
	mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
	printf 'MODULES=list\nCOMPRESS=lz4\n' >"$1/etc/initramfs-tools/conf.d/testimage"
	printf '%s\n' virtio_pci virtio_blk virtio_scsi sd_mod ext4 crc32c_generic crc32c_intel \
		>"$1/usr/share/initramfs-tools/modules.d/testimage"
}

# --- the system --------------------------------------------------------------------

uuid=57a26a7e-0000-4000-8000-000000000012 # of the root file system: the same in every image
cmdline="root=UUID=$uuid rw console=ttyS0 net.ifnames=0 mitigations=off fsck.mode=skip apparmor=0 audit=0 nowatchdog loglevel=5"

# put writes a file of the image.
put() { # ROOT PATH, content from stdin
	mkdir -p "$(dirname "$1/$2")"
	cat >"$1/$2"
}

# masked units do nothing for a machine that lives for minutes. Each is a process or two, and those cost without KVM.
masked=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
	systemd-tmpfiles-clean.timer getty@tty1.service systemd-pstore.service systemd-binfmt.service systemd-update-utmp.service
	systemd-update-utmp-runlevel.service systemd-networkd-wait-online.service systemd-network-generator.service
	systemd-sysusers.service systemd-journal-flush.service systemd-repart.service systemd-firstboot.service
	kmod-static-nodes.service cloud-init-hotplugd.socket sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount
	dev-hugepages.mount modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service
	modprobe@fuse.service modprobe@loop.service)

tune() { # ROOT
	local root=$1 unit
	sed -i -e "s/^VERSION_ID=.*/VERSION_ID=\"$version\"/" -e "s/^PRETTY_NAME=.*/PRETTY_NAME=\"Debian GNU\/Linux $version (test image)\"/" \
		"$root/usr/lib/os-release"
	rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf" "$root/etc/hostname"
	: >"$root/etc/machine-id" # each machine makes its own
	: >"$root/etc/resolv.conf"
	put "$root" etc/hosts <<<$'127.0.0.1 localhost\n::1 localhost ip6-localhost'
	put "$root" etc/fstab <<<"UUID=$uuid / ext4 noatime 0 0"
	put "$root" etc/ssh/sshd_config.d/testimage.conf <<<$'HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no'
	put "$root" etc/systemd/journald.conf.d/testimage.conf <<<$'[Journal]\nStorage=volatile'
	for unit in "${masked[@]}"; do
		ln -sfn /dev/null "$root/etc/systemd/system/$unit"
	done
	# A processor that QEMU emulates has features whose drivers are of no use to it.
	printf 'blacklist %s\n' kvm_amd kvm_intel kvm powernow_k8 aesni_intel ghash_clmulni_intel crct10dif_pclmul crc32_pclmul \
		>"$root/etc/modprobe.d/testimage.conf"
	cloud_settings "$root"
}

# cloud_settings leaves of cloud-init's modules what a profile may ask for, and takes those that cost time at each boot.
cloud_settings() { # ROOT
	put "$1" etc/cloud/cloud.cfg.d/95-testimage.cfg <<-'CFG'
		datasource_list: [NoCloud, None]
		ssh_genkeytypes: [ed25519]
		ssh_quiet_keygen: true
		no_ssh_fingerprints: true
		apt_preserve_sources_list: true
		manage_etc_hosts: false
		system_info:
		  network: {renderers: [networkd]}
		cloud_init_modules: [bootcmd, write-files, growpart, resizefs, set_hostname, users-groups, ssh]
		cloud_config_modules: [set-passwords, ntp, timezone, runcmd]
		cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-vendor, scripts-per-once, scripts-per-boot,
		  scripts-per-instance, scripts-user, final-message, power-state-change]
	CFG
}

add_files() { # ROOT
	local add from to
	for add in "${added[@]}"; do
		from=${add%:*} to=$1/${add##*:}
		if [[ -d $from ]]; then
			mkdir -p "$to"
			cp -a --no-preserve=ownership "$from/." "$to/"
		else
			mkdir -p "$(dirname "$to")"
			cp -aL --no-preserve=ownership "$from" "$to"
		fi
	done
}

# --- the disk ----------------------------------------------------------------------

esp_mib=64 # FAT32 has no less than 33

# boot_partition: for a BIOS syslinux with kernel and initramfs, for UEFI one file that holds both.
boot_partition() { # ROOT IMAGE WORK
	local root=$1 image=$2 work=$3 kernel initrd
	kernel=$(echo "$root"/boot/vmlinuz-*) initrd=$(echo "$root"/boot/initrd.img-*)
	[[ -f $kernel && -f $initrd ]] || die "one kernel was to be installed; there is $kernel, $initrd"
	truncate -s ${esp_mib}M "$image"
	mkfs.vfat -F 32 -n BOOT "$image" >/dev/null
	syslinux --install "$image"
	printf 'SERIAL 0 115200\nPROMPT 0\nDEFAULT linux\nLABEL linux\n  KERNEL /vmlinuz\n  INITRD /initrd.img\n  APPEND %s\n' "$cmdline" >"$work/syslinux.cfg"
	unified_kernel "$root" "$kernel" "$initrd" "$work/bootx64.efi"
	mcopy -i "$image" "$kernel" ::/vmlinuz
	mcopy -i "$image" "$initrd" ::/initrd.img
	mcopy -i "$image" "$work/syslinux.cfg" ::/syslinux.cfg
	mmd -i "$image" ::/EFI ::/EFI/BOOT
	mcopy -i "$image" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
}

# unified_kernel puts the parts behind systemd-boot's stub, each at the next address that is free and aligned.
unified_kernel() { # ROOT KERNEL INITRD OUT
	local stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub size address end=0 align part file args=()
	align=$((16#$(objdump -p "$stub" | awk '$1 == "SectionAlignment" {print $2}')))
	while read -r size address; do
		((16#$size + 16#$address <= end)) || end=$((16#$size + 16#$address))
	done < <(objdump -h "$stub" | awk 'NF == 7 && $1 ~ /^[0-9]+$/ {print $3, $4}')
	printf '%s' "$cmdline" >"$4.cmdline"
	for part in ".osrel $1/usr/lib/os-release" ".cmdline $4.cmdline" ".linux $2" ".initrd $3"; do
		file=${part#* } part=${part%% *}
		end=$(((end + align - 1) / align * align))
		args+=(--add-section "$part=$file" --change-section-vma "$part=$(printf '0x%x' "$end")")
		end=$((end + $(stat -Lc %s "$file")))
	done
	objcopy "${args[@]}" "$stub" "$4"
}

# build_disk makes the disk of the packages' tar.
build_disk() { # TAR OUT WORK
	local root=$3/root mib
	mkdir "$root"
	tar --numeric-owner --exclude='./dev/*' -xpf "$1" -C "$root"
	tune "$root"
	add_files "$root"
	boot_partition "$root" "$3/boot.img" "$3"
	rm -f "$root"/boot/initrd.img-* "$root"/boot/vmlinuz-* "$root"/initrd.img* "$root"/vmlinuz*
	mib=$(($(du -sm "$root" | cut -f1) * 5 / 4 + 256))
	mke2fs -qF -t ext4 -d "$root" -U $uuid -L root -m 0 -E root_owner=0:0 "$3/root.img" "${mib}M" >/dev/null

	truncate -s $((mib + esp_mib + 2))M "$3/disk.img"
	sfdisk --quiet "$3/disk.img" <<-TABLE
		label: dos
		start=1MiB, size=${esp_mib}MiB, type=ef, bootable
		start=$((esp_mib + 1))MiB, size=${mib}MiB, type=83
	TABLE
	dd if=/usr/lib/syslinux/mbr/mbr.bin of="$3/disk.img" bs=440 count=1 conv=notrunc status=none
	dd if="$3/boot.img" of="$3/disk.img" bs=1M seek=1 conv=notrunc,sparse status=none
	dd if="$3/root.img" of="$3/disk.img" bs=1M seek=$((esp_mib + 1)) conv=notrunc,sparse status=none
	qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd -m 2 "$3/disk.img" "$2"
}

# --- cache -------------------------------------------------------------------------

prune() {
	local kind
	for kind in testimage-root- testimage-; do
		# Names are of our own making: no blanks, no newlines.
		# shellcheck disable=SC2012
		ls -1dt "$cache/$kind"[0-9a-f]*/ 2>/dev/null | tail -n +$((keep + 1)) | xargs -r rm -rf
	done
	rm -rf "$cache"/.testimage-building-* # of a killed build; we hold the lock, so nobody is at it
}

tools() {
	local tool missing=()
	for tool in mmdebstrap mkfs.vfat mcopy syslinux sfdisk mke2fs objcopy qemu-img /usr/lib/syslinux/mbr/mbr.bin /usr/lib/systemd/boot/efi/linuxx64.efi.stub; do
		[[ -e $tool ]] || command -v "$tool" >/dev/null || missing+=("$tool")
	done
	[[ ${#missing[@]} == 0 ]] || die "missing: ${missing[*]}; install: mmdebstrap mtools syslinux syslinux-common fdisk dosfstools e2fsprogs systemd-boot-efi binutils qemu-utils"
	[[ $(id -u) == 0 ]] || die "needs root: files of the image belong to it"
}

# build runs under the lock. A folder takes its name only when it is whole.
build() {
	local work began=$SECONDS
	tools
	work=$(mktemp -d "$cache/.testimage-building-XXXXXX")
	# shellcheck disable=SC2064 # expanded now: work is gone when the trap runs
	trap "rm -rf '$work'" EXIT
	if [[ ! -e $rootfs ]]; then
		say "installing Debian's packages into an image, a minute or so"
		mkdir "$work/packages"
		install_packages "$work/packages/root.tar"
		rm -rf "$(dirname "$rootfs")"
		mv -T "$work/packages" "$(dirname "$rootfs")"
	fi
	mkdir "$work/disk"
	build_disk "$rootfs" "$work/disk/disk.qcow2" "$work"
	rm -rf "$(dirname "$disk")"
	mv -T "$work/disk" "$(dirname "$disk")"
	rm -rf "$work"
	trap - EXIT
	say "made in $((SECONDS - began)) s, $(($(stat -c %s "$disk") / 1000000)) MB: Debian $version"
	prune
}

# The packages depend on what installs them and on nothing else here: what is done to a disk afterwards may change
# without installing them again.
root_key=$({
	declare -f install_packages initramfs_settings
	printf '%s\n' "${base[@]}" "${more[@]}" | LC_ALL=C sort -u
} | key)
disk_key=$({
	sha256sum <"$self"
	echo "$root_key $version"
	hashes
} | key)
rootfs=$cache/testimage-root-$root_key/root.tar
disk=$cache/testimage-$disk_key/disk.qcow2

if [[ ! -e $disk ]]; then
	[[ -z $cached_only ]] || exit 3
	mkdir -p "$cache"
	exec 8>"$cache/testimage.lock"
	flock --nonblock 8 || { say "waiting for another build of one"; flock 8; }
	[[ -e $disk ]] || build 8>&-
	exec 8>&-
fi
touch -c "$(dirname "$disk")" "$(dirname "$rootfs")" # what is used is not pruned
if [[ $out == - ]]; then
	echo "$disk"
else
	cp --reflink=auto --remove-destination "$disk" "$out"
fi
