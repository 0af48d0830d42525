#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Fetches Debian's other kernels and its installer for the long tests, without installing them: the generic and the real-time
# kernel, the 32-bit one with PAE of the other architecture, with package lists of its own, and the network installers.
# usage: tests/guest/fetch-kernels.sh DIRECTORY; leaves there, as far as they are to be had: generic rt i386-pae installer-amd64
#        installer-amd64.initrd installer-i386 installer-i386.initrd
set -uo pipefail
target=$1
mkdir -p "$target" && cd "$target" || exit 1

# The kernel's package stands behind a name without a version.
fetch() { # NAME META-PACKAGE [APT-OPTION...]
    local name=$1 meta=$2 package work
    shift 2
    [ ! -s "$name" ] || return 0
    package=$(apt-cache "$@" depends "$meta" | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)/\1/p' | head -n 1)
    [ -n "$package" ] || { echo "fetch-kernels: apt knows no $meta; run apt-get update" >&2; return 1; }
    work=$(mktemp -d "$target/XXXXXX") || return 1
    (cd "$work" && apt-get "$@" -q download "$package" >&2 &&
        dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards './boot/vmlinuz-*' && mv boot/vmlinuz-* "../$name")
    local status=$?
    rm -rf "$work"
    return $status
}

fetch_installer() { # ARCHITECTURE
    local name=installer-$1 work status
    [ ! -s "$name.initrd" ] || return 0
    work=$(mktemp -d "$target/XXXXXX") || return 1
    (cd "$work" && apt-get -q download "debian-installer-12-netboot-$1" >&2 &&
        dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards "./usr/lib/debian-installer/images/12/$1/text/debian-installer/$1/*" &&
        mv usr/lib/debian-installer/images/12/"$1"/text/debian-installer/"$1"/linux "../$name" &&
        mv usr/lib/debian-installer/images/12/"$1"/text/debian-installer/"$1"/initrd.gz "../$name.initrd")
    status=$?
    rm -rf "$work"
    return $status
}

apt=$target/apt-i386
i386=(-o APT::Architecture=i386 -o APT::Architectures=i386 -o "Dir::State::lists=$apt/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$apt/cache")
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
fetch generic linux-image-amd64
fetch rt linux-image-rt-amd64
fetch_installer amd64
fetch_installer i386
if [ ! -s i386-pae ]; then
    # A mirror in the middle of an update leaves some lists out: the others do.
    apt-get "${i386[@]}" -q update >&2
    fetch i386-pae linux-image-686-pae "${i386[@]}"
fi
rm -rf "$apt"
[ -s generic ] && [ -s rt ] && [ -s i386-pae ] && [ -s installer-amd64.initrd ] && [ -s installer-i386.initrd ]
