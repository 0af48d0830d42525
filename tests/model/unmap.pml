// SPDX-License-Identifier: BSD-2-Clause
// Model of unmapping for Spin: kernel/space.c (record_remove_step), cpu.c (cpu_round_flush), thread.c (thread_move). Two threads on CPU 0
// unmap one page each of one space, again and again as their calls restart; two threads of its task use them, one on CPU 1, one that
// moves to CPU 2 at any moment. BUG_name puts one mistake in.
//
// Property: nobody reads a page through a translation that a CPU cached, after the page was given back (so none is cached then, nor
// any later); each unmap ends.
//
// The store buffer of CPU 0 is in the model where it matters: the clearing of a table entry (plain) and the look at `cpus` after it.
#define OBJECTS 3
#define T       2 // moves
#define SPACE   3
#include "cpu.pml"

bool entry[2], buffered[2]; // the table's; a clearing store that no other CPU sees so far
bool cached[6];             // cpu * 2 + page
bool gone[2];               // the page is another's
byte cpus = 1 << 1, moves;
bool queued; // on CPU 2
byte cleared, flushed, round_cleared;
byte record_cleared[2];
bool record_done[2], parked[2];

inline drain() { // what a locked instruction does, or time
    if
    :: buffered[0] -> buffered[0] = false; entry[0] = false
    :: else
    fi;
    if
    :: buffered[1] -> buffered[1] = false; entry[1] = false
    :: else
    fi
}

inline arrived(o) {
    queued = true // nobody else posts it, and it moves once
}

inline part(o) { // arch_space_flush()
    d_step {
#ifndef BUG_NOT_FLUSHED
        cached[me * 2] = false;
        cached[me * 2 + 1] = false
#else
        cached[me * 2] = false
#endif
    }
}

inline ended(o) {
    d_step {
#ifndef BUG_LATE_COUNT
        flushed = round_cleared;
#else
        flushed = cleared;
#endif
        parked[0] = false;
        parked[1] = false
    }
}

inline flush_round() { // cpu_round_flush(); with round_begin()
    if
    :: round_object == NONE ->
        round_cleared = cleared;
#ifndef BUG_FENCE
        atomic { drain() };
#endif
        my_cpus = cpus;
        atomic { drain() }; // `pending` is stored with a locked instruction
        round_begin(SPACE, my_cpus & OTHERS)
    :: else
    fi
}

// A turn of the unmap system call for page `p`: what record_remove_step() does between two preemption points
inline unmap_turn(p) {
    if
    :: record_cleared[p] == 0 ->
        buffered[p] = true;
        cleared++;
        record_cleared[p] = cleared
    :: record_cleared[p] != 0 && record_cleared[p] > flushed ->
        flush_round();
        if
        :: record_cleared[p] > flushed -> parked[p] = true
        :: else
        fi
    :: else ->
        record_done[p] = true; // record_free(): the memory may be mapped elsewhere
        assert(!cached[2 + p] && !cached[4 + p]);
        gone[p] = true
    fi
}

// HAZARD: the processor's walk is one step here: an IPI, and so the flush, is taken after it.
#define MAY_CACHE(p) (entry[p] && !cached[me * 2 + p])
inline use(p) {
    assert(!gone[p]);
    cached[me * 2 + p] = true
}

#define LEAVE d_step { FORGET; my_cpus = 0 }

proctype cpu(byte me) {
    LOCALS;
    byte my_cpus;
end:
    do
    :: ipi[me] -> interrupt(); LEAVE
    :: me == 0 && !record_done[0] && !parked[0] -> unmap_turn(0); LEAVE
    :: me == 0 && !record_done[1] && !parked[1] -> unmap_turn(1); LEAVE
    :: me == 0 && (buffered[0] || buffered[1]) -> atomic { drain() }
    :: atomic { (me == 1 || (me == 2 && queued)) && MAY_CACHE(0) -> use(0) }
    :: atomic { (me == 1 || (me == 2 && queued)) && MAY_CACHE(1) -> use(1) }
    :: atomic { me == 1 && moves == 0 -> moves++ };
#ifndef BUG_CPUS
        cpus = cpus | (1 << 2); // locked
#endif
        post(T, 2);
        LEAVE
    od
}

active proctype check() {
    timeout;
    assert(record_done[0] && record_done[1])
}

init {
    atomic {
        entry[0] = true;
        entry[1] = true;
        run cpu(0);
        run cpu(1);
        run cpu(2)
    }
}
