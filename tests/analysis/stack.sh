#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel's deepest stack, from what the compiler says about the very objects that it makes for the kernel: stack.py.
set -uo pipefail
# shellcheck source=tests/analysis/common.sh
. "$(dirname "$0")/common.sh"

gcc -fcallgraph-info=su,da -xc -c -o "$WORK/try.o" /dev/null 2>/dev/null || skip analysis/stack "gcc 10 or newer is needed"
# Only where an object is made: the Makefile also has the compiler print assembly to its standard output.
cat >"$WORK/cc" <<'END'
#!/bin/sh
case " $* " in
*" -c "*) exec gcc -fstack-usage -fcallgraph-info=su,da "$@" ;;
*) exec gcc "$@" ;;
esac
END
chmod +x "$WORK/cc"
build analysis/stack "$WORK/o" CC="$WORK/cc" "$WORK/o/bulkhead.elf"
python3 tests/analysis/stack.py "$WORK/o"
