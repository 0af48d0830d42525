// SPDX-License-Identifier: BSD-2-Clause
// Model of signals between CPUs for Spin: kernel/signal.c, thread.c (thread_move, thread_cancel), on cpu.pml. CPUs 1 and 2 raise one bit
// each, CPU 0 destroys the signal. One thread waits, may give up (timeout, cancel), moves to another CPU and waits again; a second one
// waits on CPU 2. DESTROY is without the second
// thread. BUG_name puts one mistake in.
//
// Properties: nobody touches the signal after it was freed; whoever has the result of a wait did wait; each bit reaches one waiter or
// stays; at the end nobody waits for a signal that has bits, or that is destroyed.
#define OBJECTS 3
#define S       1 // the signal; the others are threads
#define T       2
#define U       3
#include "cpu.pml"

byte bits, received, raised;
byte waiter;
byte cpu_of[OBJECTS + 1];
bool waits[OBJECTS + 1], queued[OBJECTS + 1];
#ifndef WAITS
#define WAITS 2 // of T
#endif
byte moves, waited[OBJECTS + 1];
bool slot = true; // the object table leads to the signal

inline finish(got) {
    atomic {
        USE(S);
        my_thread = waiter;
        assert(my_thread != NONE); // else the kernel follows NULL
        assert(waits[my_thread] && cpu_of[my_thread] == me);
        waiter = NONE;
        waits[my_thread] = false;
        queued[my_thread] = true;
        assert((received & got) == 0);
        received = received | got
    }
}

inline signal_arrived() {
    USE(S);
    my_thread = waiter;
    if
    :: my_thread == NONE || dying[S] -> skip
    :: else ->
        my_cpu = cpu_of[my_thread];
        if
#ifndef BUG_NOT_FORWARDED
        :: my_cpu != me -> post(S, my_cpu)
#else
        :: my_cpu != me -> skip
#endif
#ifndef BUG_OLD_WAITER
        :: my_cpu == me && waiter != my_thread -> skip // it gave up and came here: who waits now looked at the bits
        :: my_cpu == me && waiter == my_thread ->
#else
        :: else ->
#endif
            atomic {
                my_got = bits;
                bits = 0
            };
            if
            :: my_got != 0 -> finish(my_got)
            :: else
            fi
        fi
    fi
}

inline arrived(o) {
    if
    :: o == S -> signal_arrived()
    :: else -> // sched_arrived()
        my_cpu = cpu_of[o];
        if
        :: my_cpu != me -> post(o, my_cpu)
        :: else -> queued[o] = true
        fi
    fi
}

inline part(o) { // signal_leave()
    USE(S);
    my_thread = waiter;
    if
    :: my_thread != NONE && cpu_of[my_thread] == me ->
        if
#ifndef BUG_OLD_WAITER
        :: waiter != my_thread
#endif
        :: else -> finish(0)
        fi
    :: else
    fi
}

inline ended(o) {
    released(o)
}

inline raise(which) {
    d_step {
        if
        :: slot && !dying[S] -> my_got = which
        :: else -> my_got = 0
        fi
    };
    if
    :: my_got != 0 ->
        USE(S);
#ifdef BUG_LOOK_FIRST
        my_thread = waiter;
#endif
        atomic {
            bits = bits | which;
            raised = raised | which
        };
        USE(S);
#ifndef BUG_LOOK_FIRST
        my_thread = waiter;
#endif
        if
        :: my_thread != NONE -> signal_arrived()
        :: else
        fi
    :: else
    fi
}

inline wait(t) {
    d_step {
        if
        :: slot && !dying[S] -> my_got = 1
        :: else -> my_got = 0 // ERR_CAP
        fi
    };
    if
    :: my_got != 0 ->
        atomic {
            USE(S);
            if
            :: waiter == NONE ->
                waiter = t;
                my_all = true
            :: else -> my_all = false // ERR_BUSY
            fi
        };
        if
        :: my_all ->
            atomic {
                USE(S);
                my_got = bits;
                bits = 0
            };
            if
            :: my_got != 0 ->
                waiter = NONE;
                received = received | my_got
            :: else -> // on this CPU only
                waits[t] = true;
                queued[t] = false
            fi
        :: else
        fi
    :: else
    fi
}

#define LEAVE d_step { FORGET; my_thread = 0; my_cpu = 0; my_got = 0 }

proctype cpu(byte me) {
    LOCALS;
    byte my_thread, my_cpu, my_got;
    bool raised_it;
end:
    do
    :: ipi[me] -> interrupt(); LEAVE
    :: atomic { me != 0 && !raised_it -> raised_it = true }; raise(me); LEAVE
    :: atomic { cpu_of[T] == me && queued[T] && waited[T] < WAITS -> waited[T]++ }; wait(T); LEAVE
#ifndef DESTROY
    :: atomic { cpu_of[U] == me && queued[U] && waited[U] < 1 -> waited[U]++ }; wait(U); LEAVE
#endif
    :: atomic { cpu_of[T] == me && waits[T] && waited[T] < WAITS -> // thread_cancel(): only when it goes on
        waiter = NONE; waits[T] = false; queued[T] = true }
    :: atomic { cpu_of[T] == me && queued[T] && moves < 1 -> moves++; queued[T] = false };
        cpu_of[T] = 3 - me; post(T, 3 - me); LEAVE
#ifdef DESTROY
    :: me == 0 && !freed[S] && round_object == NONE ->
        destroy_turn(S);
        atomic {
            slot = !freed[S];
            FORGET
        }
#endif
    od
}

active proctype check() {
    timeout;
    assert(inbox[0] == NONE && inbox[1] == NONE && inbox[2] == NONE && taken[0] == NONE && taken[1] == NONE && taken[2] == NONE);
    assert(queued[T] != waits[T] && queued[U] != waits[U]);
    assert(!freed[S] || (!waits[T] && !waits[U]));
    assert((bits & received) == 0 && (bits | received) == raised);
    assert(bits == 0 || (!waits[T] && !waits[U]));
    assert((waits[T] || waits[U]) == (waiter != NONE))
}

init {
    atomic {
        cpu_of[T] = 1;
        cpu_of[U] = 2;
        queued[T] = true;
        queued[U] = true;
        run cpu(0);
        run cpu(1);
        run cpu(2)
    }
}
