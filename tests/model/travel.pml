// SPDX-License-Identifier: BSD-2-Clause
// Model of threads between CPUs for Spin: kernel/sched.c (travel, arrived, wake, park, follow, release), thread.c (stop, move, leave), ipc.c
// (orphan, look again), on cpu.pml. A worker T at home on CPU 1 does system calls on CPUs 0 and 2 while it serves C, and H helps.
// Inlines have the names of the functions they stand for. Variants, as all at once are too many states:
//   CANCEL: C and H give up. STOP: T is stopped and resumed where it is. MOVE: T gets another home. GATE: its gate is revoked.
//   DESTROY: T is destroyed by CPU 0. BUG_name puts one mistake in.
//
// Properties: only the CPU where a thread is queues it; T's waiters are touched at its home only; nobody runs or touches T after it was
// freed, which happens once, when no queue, inbox or list holds it; at the end nobody is forgotten: T waits for calls (or is stopped, or
// freed), and C and H have their results (or wait for T, which is stopped).
#define OBJECTS 3
#define T       1
#define C       2
#define H       3
#include "cpu.pml"

#define RUNNING 1
#define RECEIVE 2
#define CALLING 3
#define HELPING 4
#define PARKED  5
#define STOPPED 6
#define DEAD    7

byte state[4], cpu_of[4], queued[4]; // on which CPU, + 1
byte home_t = 1, caller;             // of T
bool waits[4];                       // in T's list
bool on_parked, gate_gone, revoked;
byte trips, stops, moves, calls[4], cancels[4];
#ifndef TRIPS
#define TRIPS 1 // system calls of T elsewhere
#endif

inline enqueue(x) {
    atomic {
        USE(x);
        assert(cpu_of[x] == me && (queued[x] == 0 || queued[x] == me + 1));
        waits[x] = false; // unwait()
        queued[x] = me + 1
    }
}

inline release_waiters() {
    atomic {
        USE(T);
        assert(home_t == me);
        if
        :: waits[C] -> assert(me == 1); waits[C] = false; queued[C] = 2
        :: else
        fi;
        if
        :: waits[H] -> assert(me == 1); waits[H] = false; queued[H] = 2
        :: else
        fi
    }
}

inline release_chain() { // as far as T
#ifdef BUG_CHAIN
    release_waiters()
#else
    if
    :: home_t == me -> release_waiters()
    :: else
    fi
#endif
}

inline wake() { // of T
    if
    :: state[T] == PARKED -> state[T] = RUNNING
    :: else
    fi;
#ifdef BUG_WAKE
    if
    :: caller == NONE -> enqueue(T)
    :: else
    fi;
    release_waiters()
#else
    if
    :: caller == NONE || home_t != me -> enqueue(T)
    :: else
    fi;
    if
    :: home_t == me -> release_waiters()
    :: else
    fi
#endif
}

inline remove() { // T, sched_remove()
    atomic {
        assert(cpu_of[T] == me);
        queued[T] = 0;
        on_parked = false
    }
}

inline travel(to) {
    remove();
    if
    :: dying[T] -> state[T] = STOPPED
    :: else ->
        cpu_of[T] = to;
        post(T, to)
    fi
}

inline arrived(o) {
    USE(T);
    if
    :: dying[T]
    :: else ->
        my_cpu = cpu_of[T];
        if
        :: my_cpu != me ->
#ifndef BUG_NOT_FORWARDED
            post(T, my_cpu)
#endif
        :: my_cpu == me && home_t != me ->
            if
            :: state[T] == RUNNING -> enqueue(T)
            :: else
            fi
        :: else ->
            release_waiters();
            if
            :: state[T] == RUNNING -> wake()
            :: else
            fi
        fi
    fi
}

inline ended(o) {
    released(o)
}

// thread_leave()
inline part(o) {
    USE(T);
    if
    :: cpu_of[T] == me && state[T] != DEAD ->
        remove();
        state[T] = DEAD
    :: else
    fi;
    if
    :: home_t == me ->
        atomic { // drop_caller()
            if
            :: caller != NONE ->
                assert(state[caller] == CALLING && me == 1);
                state[caller] = RUNNING;
                waits[caller] = false;
                queued[caller] = 2;
                caller = NONE
            :: else
            fi
        };
        release_waiters()
    :: else
    fi
}

// `|= FLAG_HELPED`: what another CPU writes in between is lost
inline mark_helped() {
    my_state = state[T];
    state[T] = my_state
}

inline orphan() {
    caller = NONE;
    if
#ifndef BUG_ORPHAN
    :: cpu_of[T] != me
#endif
    :: else ->
        if
        :: state[T] == RUNNING ->
            mark_helped();
            enqueue(T)
        :: else
        fi
    fi
}

inline cancel(c) { // thread_cancel(), on CPU 1
    release_chain();
    if
    :: state[c] == CALLING -> orphan()
    :: else
    fi;
    state[c] = RUNNING;
    enqueue(c)
}

// T runs at home
inline work() {
    USE(T);
    if
    :: trips < TRIPS -> trips++; travel(0)
    :: trips < TRIPS && home_t != 2 -> trips++; travel(2)
    :: true -> // ipc_reply_wait()
        if
        :: caller != NONE -> state[caller] = RUNNING; caller = NONE
        :: else
        fi;
        remove();
        state[T] = RECEIVE;
        release_waiters()
    fi
}

inline deliver(d) { // entry.S: and it runs at once
    assert(cpu_of[T] == me && home_t == me);
    state[T] = RUNNING;
    caller = d;
    state[d] = CALLING
}

// C or H is the donor: follow(), and what the thread does that it leads to
inline follow(d) {
    my_go = false; // T is at the end of its chain
    if
    :: state[d] == RUNNING -> // ipc_call()
        calls[d] = 1;
        if
        :: gate_gone || home_t != me // ERR_DEAD, ERR_STATE
        :: else ->
            if
            :: state[T] == RECEIVE -> deliver(d)
            :: else -> state[d] = HELPING
            fi
        fi
    :: state[d] == CALLING -> my_go = true
    :: state[d] == HELPING ->
        if
        :: gate_gone || home_t != me -> state[d] = RUNNING
        :: else ->
            USE(T);
            if
            :: state[T] == RECEIVE -> deliver(d)
#ifndef BUG_HELPED
            :: state[T] != RECEIVE && cpu_of[T] == me -> mark_helped()
            :: state[T] != RECEIVE && cpu_of[T] != me
#else
            :: else -> mark_helped()
#endif
            fi;
            my_go = true
        fi
    fi;
    if
    :: my_go ->
        USE(T);
        my_state = state[T];
        if
        :: my_state == RUNNING && cpu_of[T] == me -> work()
        :: else -> atomic { // it may come home in between: it is in the inbox then
                queued[d] = 0;
                waits[d] = true
            }
        fi
    :: else
    fi
}

inline look_again() { // gate_unlink()
    my_cpu = cpu_of[T];
    if
    :: my_cpu == me -> release_chain()
    :: else -> post(T, my_cpu)
    fi
}

#define LEAVE   d_step { FORGET; my_cpu = 0; my_state = 0; my_go = 0 }
#define HERE(x) (queued[x] == me + 1)
#define MOVING  (state[T] == PARKED && !on_parked) // thread_is_moving()
#define CTL     (cpu_of[T] == me && !dying[T] && !MOVING)

proctype cpu(byte me) {
    LOCALS;
    byte my_cpu, my_state;
    bool my_go;
end:
    do
    :: ipi[me] -> interrupt(); LEAVE
    // home
    :: HERE(C) && (state[C] != RUNNING || !calls[C]) -> follow(C); LEAVE
    :: HERE(H) && (state[H] != RUNNING || !calls[H]) -> follow(H); LEAVE
    :: HERE(T) && home_t == me && state[T] == RUNNING -> work(); LEAVE
    // away
    :: HERE(T) && home_t != me && state[T] == RUNNING -> my_cpu = home_t; travel(my_cpu); LEAVE
    :: HERE(T) && me == 0 && state[T] == RUNNING -> // sched_park()
        remove();
        state[T] = PARKED;
        on_parked = true
    :: atomic { me == 0 && on_parked -> on_parked = false }; wake(); LEAVE
#ifdef CANCEL
    :: atomic { me == 1 && !cancels[C] && (state[C] == CALLING || state[C] == HELPING) -> cancels[C] = 1 }; cancel(C); LEAVE
    :: atomic { me == 1 && !cancels[H] && (state[H] == CALLING || state[H] == HELPING) -> cancels[H] = 1 }; cancel(H); LEAVE
#endif
#ifdef STOP
    :: atomic { CTL && stops == 0 && state[T] != STOPPED -> stops = 1 }; // thread_detach()
        remove();
        state[T] = STOPPED;
        if
        :: home_t != me -> my_cpu = home_t; travel(my_cpu)
        :: else
        fi;
        LEAVE
    :: atomic { CTL && state[T] == STOPPED -> state[T] = RUNNING }; wake(); LEAVE
#endif
#ifdef MOVE
    :: atomic { CTL && moves < 2 && home_t == me && caller == NONE && !waits[C] && !waits[H] -> moves++ }; // thread_move()
        my_state = (state[T] == PARKED -> RUNNING : state[T]);
        state[T] = PARKED;
        remove();
        cpu_of[T] = 3 - me;
#ifdef BUG_MOVE_ORDER
        home_t = 3 - me;
        state[T] = my_state;
#else
        atomic { home_t = 3 - me; state[T] = my_state }; // one word of 8 bytes
#endif
        post(T, 3 - me);
        LEAVE
#endif
#ifdef GATE
    :: atomic { me == 0 && !revoked && !dying[T] -> revoked = true; gate_gone = true }; look_again(); LEAVE
#endif
#ifdef DESTROY
    :: me == 0 && !freed[T] && round_object == NONE ->
        if
        :: dying[T] == 0 ->
            dying[T] = 1;
            gate_gone = true // thread_drop_gates()
        :: else
        fi;
        if
        :: dying[T] == RELEASED -> assert(queued[T] == 0 && caller == NONE && !waits[C] && !waits[H] && !on_parked && state[T] == DEAD)
        :: else
        fi;
        destroy_turn(T);
        LEAVE
#endif
    od
}

#define SERVED(x) (state[x] == RUNNING && queued[x] == 2 && !waits[x])
#define WAITS(x)  ((state[x] == CALLING || state[x] == HELPING) && queued[x] == 0 && waits[x])

active proctype check() {
    timeout;
    assert(inbox[0] == NONE && inbox[1] == NONE && inbox[2] == NONE && taken[0] == NONE && taken[1] == NONE && taken[2] == NONE);
#ifdef DESTROY
    assert(freed[T] && SERVED(C) && SERVED(H))
#else
    assert(!on_parked && cpu_of[T] == home_t && queued[T] == 0);
    assert(state[T] == RECEIVE && caller == NONE);
    assert(SERVED(C) && SERVED(H))
#endif
}

init {
    atomic {
        state[T] = RUNNING;
        state[C] = RUNNING;
        state[H] = RUNNING;
        cpu_of[T] = 1;
        cpu_of[C] = 1;
        cpu_of[H] = 1;
        queued[T] = 2;
        queued[C] = 2;
        queued[H] = 2;
        run cpu(0);
        run cpu(1);
        run cpu(2)
    }
}
