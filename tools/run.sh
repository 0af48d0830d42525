# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2154 # variables of ./bulkhead
# Sourced by ./bulkhead: starts an ISO in QEMU or Bochs with the serial line on this terminal.

# Prints why KVM cannot be used, or nothing when it can.
why_no_kvm() {
    local flags nested=N file

    flags=$(grep -m1 -ow -E 'vmx|svm' /proc/cpuinfo || true)
    [ -n "$flags" ] || { echo "the CPU shows neither vmx nor svm"; return; }
    for file in /sys/module/kvm_intel/parameters/nested /sys/module/kvm_amd/parameters/nested; do
        [ -r "$file" ] && nested=$(cat "$file")
    done
    [[ $nested == [1Y] ]] || { echo "its module does not have nested=1"; return; }
    [ -w /dev/kvm ] || { echo "/dev/kvm may not be opened by $(id -un)"; return; }
    # HAZARD: the flag and the module may both be there and starting still fail, for example in a container.
    timeout 10 qemu-system-x86_64 -accel kvm -cpu host -m 64 -nodefaults -no-user-config -display none \
        -serial none -S -monitor stdio <<<quit >/dev/null 2>&1 || echo "a probe start failed"
}

# Whatever ends the script: the terminal is given back as it was, and no emulator is left behind.
saved_terminal='' bochs=''
clean_up() {
    [ -z "$bochs" ] || kill "$bochs" 2>/dev/null || true
    [ -z "$saved_terminal" ] || stty "$saved_terminal"
}

prepare_terminal() {
    [ ! -t 0 ] || saved_terminal=$(stty -g)
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

run_qemu() { # uses iso memory cpus kvm cpu
    local accel=tcg model=${cpu:-EPYC,+svm,+npt} why=

    if [ "$kvm" != no ]; then
        why=$(why_no_kvm)
        if [ -z "$why" ]; then
            accel=kvm
            model=${cpu:-host}
        elif [ "$kvm" = yes ]; then
            echo "bulkhead: KVM cannot be used: $why" >&2
            exit 1
        else
            echo "QEMU emulates AMD SVM in software (no KVM: $why)"
        fi
    fi
    echo "Leave with Ctrl-A x. Ctrl-] goes to the system's prompt."
    prepare_terminal
    # mon:stdio: QEMU watches for Ctrl-A and sends all else, Ctrl-C too, to the serial line.
    qemu-system-x86_64 -accel "$accel" -cpu "$model" -m "$memory" -smp "$cpus" -nodefaults \
        -no-user-config -display none -monitor none -serial mon:stdio -no-reboot -cdrom "$iso" \
        2> >(grep -v "TCG doesn't support requested feature" >&2) # what the model has and the emulation has not
}

run_bochs() { # uses iso memory cpus cpu
    local port status=0 work="$O/bochs"

    # More than this Bochs does not take; more host memory would be wasted.
    [ "$memory" -le 4095 ] || { echo "bulkhead: Bochs has at most 4095 MiB of memory" >&2; exit 1; }
    mkdir -p "$work"
    port=$("$O/tools/serial-bridge" --free-port)
    printf 'c\nq\n' >"$work/commands"
    echo "Bochs emulates Intel VT-x exactly and slowly: Linux takes a minute or more to its prompt."
    echo "Leave with Ctrl-A x. Ctrl-] goes to the system's prompt."
    prepare_terminal
    # In a session of its own: a Ctrl-C on this terminal is for the guest.
    ISO=$iso BXLOG=$work/log setsid bochs-bin -q -f "$root/tools/bochsrc" -rc "$work/commands" \
        "cpu: model=${cpu:-corei7_skylake_x}, count=$cpus" \
        "memory: guest=$memory, host=$((memory < 2048 ? memory : 2048))" \
        "com1: enabled=1, mode=socket-server, dev=127.0.0.1:$port" \
        </dev/null >"$work/output" 2>&1 &
    bochs=$!
    "$O/tools/serial-bridge" "$port" || status=$?
    case $status in
    0) ;;
    3) echo "Bochs has ended; its own messages are in $work/log and $work/output" ;;
    *) echo "bulkhead: Bochs did not start; see $work/log and $work/output" >&2; exit 1 ;;
    esac
}
