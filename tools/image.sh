# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2154 # variables of ./bulkhead
# Sourced by ./bulkhead: from a system.yaml and the build to a bootable ISO.

# Reads name, memory (MiB), cpus and the kernel's options of the machine into variables of these names.
read_machine() { # YAML
    local line
    line=$("$O/tools/bulkhead-config" --build "$O" --machine "$1") || exit 1
    # shellcheck disable=SC2034 # memory and cpus: used by the caller
    IFS=' =' read -r _ name _ memory _ cpus _ <<<"$line"
    options=${line#*options=}
}

# The vmms with the devices that its VMs name. Images may be made at the same time.
build_programs() { # YAML
    local name targets=()

    for name in $("$O/tools/bulkhead-config" --build "$O" --programs "$1"); do
        targets+=("$O/$name.elf")
    done
    [ ${#targets[@]} -eq 0 ] || flock "$O/tools" make -C "$root" --no-print-directory O="$O" "${targets[@]}"
}

# KERNEL_OPTIONS in the environment goes onto the kernel's command line, too: for emulators whose processor has weaknesses.
# An ISO that GRUB boots by itself: kernel, root task, archive. The modules' last word tells them apart.
write_iso() { # YAML ISO
    local stage

    mkdir -p "$O/iso" "$(dirname "$2")"
    stage=$(mktemp -d "$O/iso/XXXXXX") || return 1 # of its own: images may be made at the same time
    mkdir -p "$stage/boot/grub"
    build_programs "$1" || return 1
    "$O/tools/bulkhead-config" --build "$O" -o "$stage/boot/system.cpio" "$1" || return 1
    cp "$O/bulkhead.elf" "$O/root.elf" "$stage/boot/"
    cat >"$stage/boot/grub/grub.cfg" <<GRUB
set timeout=0
multiboot2 /boot/bulkhead.elf $options ${KERNEL_OPTIONS:-}
module2 /boot/root.elf root
module2 /boot/system.cpio system
boot
GRUB
    # Not compressed: under Bochs, unpacking GRUB's modules takes longer than reading them.
    grub-mkrescue --compress=no --fonts= --locales= --themes= -o "$2.new" "$stage" || return 1
    mv "$2.new" "$2"
    rm -rf "$stage"
}

# Sets iso (unless it is set) and name, memory, cpus.
make_image() { # YAML
    read_machine "$1"
    iso=${iso:-$O/$name.iso}
    step image "making $iso" write_iso "$1" "$iso"
}
