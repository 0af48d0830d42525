# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2154 # variables of ./bulkhead
# Sourced by ./bulkhead: finds which packages of tools/packages.txt are missing and installs them.

wanted_packages() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$root/tools/packages.txt"
}

missing_packages() {
    local -a wanted
    mapfile -t wanted < <(wanted_packages)
    # dpkg-query says on stderr what it has never heard of, and fails: both are expected.
    { dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true; } |
        awk -v wanted="${wanted[*]}" '
            $2 == "installed" { have[$1] = 1 }
            END { n = split(wanted, name, " "); for (i = 1; i <= n; i++) if (!(name[i] in have)) print name[i] }'
}

apt() {
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

install_missing() {
    local names="$*" lists=(/var/lib/apt/lists/*_Packages*)

    [ -e "${lists[0]}" ] || apt -q update || return 1
    # shellcheck disable=SC2086 # a list of words
    apt -y --no-install-recommends install $names && return 0
    # The lists may be older than what the mirror has.
    apt -q update || return 1
    # shellcheck disable=SC2086
    apt -y --no-install-recommends install $names
}

ensure_packages() {
    local missing
    become=()

    if ! command -v dpkg-query >/dev/null; then
        echo "bulkhead: this machine has no dpkg; Debian 12 is supported. Needed are what these packages hold:" >&2
        echo "    $(wanted_packages | tr '\n' ' ')" >&2
        [ -n "${BULKHEAD_SKIP_PACKAGES:-}" ] && return 0
        echo "Set BULKHEAD_SKIP_PACKAGES=1 when all of it is there." >&2
        exit 1
    fi
    missing=$(missing_packages | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0

    local command="apt-get update && apt-get install -y --no-install-recommends $missing"
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            become=(sudo -n)
        elif command -v sudo >/dev/null && [ -t 0 ] && [ -t 2 ]; then
            echo "bulkhead: packages are missing: $missing" >&2
            echo "sudo may ask for your password to install them." >&2
            become=(sudo)
        else
            echo "bulkhead: packages are missing, and installing them needs an administrator. Run as root:" >&2
            echo "    $command" >&2
            exit 1
        fi
        # Asked for here, because the step below sends its output to a log.
        "${become[@]}" true || { echo "bulkhead: run as root: $command" >&2; exit 1; }
    fi
    # shellcheck disable=SC2086
    if ! step packages "installing $missing" install_missing $missing; then
        echo "bulkhead: the packages could not be installed. Run as root:" >&2
        echo "    $command" >&2
        exit 1
    fi
}
