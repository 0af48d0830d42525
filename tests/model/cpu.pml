// SPDX-License-Identifier: BSD-2-Clause
// What CPUs have to do with each other (kernel/cpu.c): inbox, IPI, round. Included by the models of what is built on it, each of which
// gives arrived() (an object was taken out of an inbox), part() (this CPU's part of the round) and ended() (round_end).
//
// A statement is one access to memory. Code of one CPU is never interrupted but where the kernel lets interrupts in: each CPU is a
// process whose turns of the outermost loop are its system calls and interrupts. `me` is the CPU; names that begin with my_ are its registers.
//
// x86-TSO: a store may become visible after a later load of another word. Here every store is visible at once, which is the same where
// a locked instruction stands between the two: post() ends with one, and an IPI is a store to uncached memory, which waits for those
// before it. Where it is not, the model (unmap.pml) has a store buffer.
#ifndef CPUS
#define CPUS 3
#endif
#define NONE 0
#define END  7 // INBOX_END

#define RELEASED   2
#define ROUND_DONE 3

byte inbox[CPUS], link[OBJECTS + 1]; // cpu->inbox, object->inbox; objects have numbers from 1 on
byte taken[CPUS];
bool ipi[CPUS];
byte dying[OBJECTS + 1];
bool freed[OBJECTS + 1];
byte round_object;
byte pending; // bit n: CPU n

#define OTHERS ((1 << CPUS) - 2)
#define USE(o) assert(!freed[o])

#define LOCALS               \
    byte my_object, my_next; \
    bool my_asked, my_all, my_last

// Registers do not outlive a turn: fewer states.
#define FORGET my_object = 0; my_next = 0; my_asked = 0; my_all = 0; my_last = 0

// cpu_post()
inline post(o, to) {
    atomic {
        USE(o);
        if
        :: link[o] == NONE ->
            link[o] = END;
            my_all = true
        :: else -> my_all = false
        fi
    };
    if
    :: my_all ->
        my_next = inbox[to];
        do
        :: link[o] = (my_next -> my_next : END);
            atomic {
                if
                :: inbox[to] == my_next ->
                    inbox[to] = o;
                    break
                :: else -> my_next = inbox[to]
                fi
            }
        od;
        if
        :: my_next == NONE -> ipi[to] = true
        :: else
        fi
    :: else
    fi
}

// inbox_take(), one object in each interrupt; then cpu_interrupt()
inline interrupt() {
    ipi[me] = false;
#ifndef BUG_ASKED_LATE
    my_asked = pending >> me & 1;
#endif
    if
    :: taken[me] == NONE ->
        atomic {
            taken[me] = inbox[me];
            inbox[me] = NONE
        }
    :: else
    fi;
    my_object = taken[me];
    if
    :: my_object == NONE -> my_all = true
    :: else ->
        atomic {
            USE(my_object);
            taken[me] = (link[my_object] == END -> NONE : link[my_object]);
            link[my_object] = NONE
        };
        arrived(my_object);
#ifdef BUG_TAKEN_ONLY
        my_all = taken[me] == NONE
#else
        my_all = taken[me] == NONE && inbox[me] == NONE
#endif
    fi;
    if
    :: !my_all -> ipi[me] = true
    :: else ->
#ifdef BUG_ASKED_LATE
        my_asked = pending >> me & 1;
#endif
        if
        :: my_asked ->
            part(round_object);
            atomic {
                pending = pending & ~(1 << me);
                my_last = pending == 0
            };
            if
            :: my_last -> ipi[0] = true
            :: else
            fi
        :: else
        fi;
        if
        :: me == 0 && round_object != NONE && pending == 0 -> round_end()
        :: else
        fi
    fi
}

// Only locals of CPU 0 but for `pending`.
inline round_begin(o, others) {
    round_object = o;
    part(o);
    d_step {
        pending = others;
        for (my_next : 1 .. CPUS - 1) {
            if
            :: (others) >> my_next & 1 -> ipi[my_next] = true
            :: else
            fi
        }
    }
    if
    :: (others) == 0 -> round_end()
    :: else
    fi
}

inline round_end() {
    my_object = round_object;
    round_object = NONE;
    ended(my_object)
}

// Of a thread or signal: two passes. Then nobody must have it; it is freed once.
inline released(o) {
#ifdef BUG_ONE_PASS
    dying[o] = RELEASED
#else
    dying[o] = (dying[o] == ROUND_DONE -> RELEASED : ROUND_DONE)
#endif
}

// sys_destroy(): this turn of it, when no round is under way.
inline destroy_turn(o) {
    if
    :: dying[o] == 0 -> dying[o] = 1
    :: else
    fi;
    if
    :: dying[o] != RELEASED -> round_begin(o, OTHERS)
    :: else ->
        assert(!freed[o] && link[o] == NONE);
        freed[o] = true
    fi
}
