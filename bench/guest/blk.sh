#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# In the measured Linux: 1,000 reads and 1,000 writes of 4 KiB, one after the other, each a request of its own.
dd if=/dev/vda of=/dev/null bs=4k count=10 iflag=direct 2>/dev/null # once before, so that the programs are in memory
/bench-mark begin of
dd if=/dev/vda of=/dev/null bs=4k count=1000 iflag=direct 2>/dev/null
dd if=/dev/zero of=/dev/vda bs=4k count=1000 oflag=direct 2>/dev/null
/bench-mark end of requests
