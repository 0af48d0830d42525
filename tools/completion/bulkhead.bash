# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion for bash: source tools/completion/bulkhead.bash
_bulkhead() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=

    if [ "$COMP_CWORD" -eq 1 ]; then
        words='run image test bench trace symbols build clean help'
    else
        case $before in
        --only) words='style config unit fuzz clang kernel guest' ;;
        --cpu) words='EPYC,+svm,+npt max,+svm,+npt corei7_skylake_x broadwell_ult corei7_sandy_bridge_2600k' ;;
        --memory) words='768M 1G 2G' ;;
        --cpus) words='1 2 4' ;;
        *)
            case ${COMP_WORDS[1]} in
            run) words='--bochs --kvm --no-kvm --cpu --memory --cpus --debug --help' ;;
            image) words='-o --help' ;;
            test) words='--long --only --help' ;;
            bench) words='--json --help' ;;
            trace) words='-o --cpus --seconds --from --help' ;;
            build | symbols) words='--debug --help' ;;
            clean) words='--help' ;;
            esac
            ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    [[ $word == -* || $COMP_CWORD -eq 1 || $before == --* ]] ||
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -X '!*.@(yaml|json)' -- "$word"; compgen -d -- "$word")
}
complete -o filenames -F _bulkhead bulkhead ./bulkhead
