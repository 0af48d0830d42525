// SPDX-License-Identifier: BSD-2-Clause
// Model of the kernel's gates, calls and scheduling on one CPU, for Spin: kernel/ipc.c, sched.c (follow, release), thread.c (cancel,
// stop, start, destroy), entry.S (both fast paths). Inlines have the names of the functions they stand for; keep them alike.
//
// Coarser than the kernel: any queued thread may be the most urgent (all priorities at once); a signal is only "blocked until raised";
// CALL_DEPTH_MAX is smaller. Controllers are either the running thread or somebody more urgent who then blocks.
// BUG_name puts one mistake in, to see that the properties catch it. TIME adds a property: who runs is the end of the donor's chain.
#ifndef ACTIVE
#define ACTIVE 2
#endif
#define WORKERS 2
#define N       4 // ACTIVE + WORKERS; threads from ACTIVE on are workers
#define GATES   WORKERS
#define DEPTH_MAX 2
#define STEPS   5 // of follow(): more than a chain without a ring can have; the kernel's bound, too, is far above that
#define NONE    7
#define STALE   6 // helping: a reference whose gate is destroyed or revoked

// thread states; a faulted thread is like a stopped one, FREED: no memory any more
#define FREED   0
#define STOPPED 1
#define RUNNING 2
#define CALLING 3
#define HELPING 4
#define RECEIVE 5
#define WAITING 6

// results
#define OK        0
#define DEAD      1
#define CANCELLED 2
#define DEPTH     3

// operations; arg is their thread or gate
#define CALL      0
#define REPLY     1
#define WAIT      2
#define FAULT     3
#define YIELD     4
#define CANCEL    5
#define STOP      6
#define START     7
#define RESUME    8
#define DESTROY   9
#define RAISE     10
#define GATE_FREE 11
#define REVOKE    12
#define CREATE    13

byte state[N], depth[N], caller[N], callee[N], helping[N], waiters[N], wait_next[N], waits_for[N];
bool helped[N], flag_cancel[N], queued[N];
byte worker_of[GATES]; // NONE: the dead worker. A gate that is freed: STALE
byte cur = NONE, donor = NONE;
bool need;
// ghosts: in a call without result so far; whose call a worker serves
bool pending[N];
byte serving[N];

// Of one step; zero between steps.
byte op, arg, fast, outside, k, sender, waiter, at, steps, other, picked, which, chosen, ended;

#define is_worker(q) (q >= ACTIVE)

inline enqueue(q) {
    assert(state[q] != FREED);
    queued[q] = true;
    if
    :: donor == NONE -> need = true
    :: else // another priority: need or not, see the end of a step
    fi
}

inline unqueue(q) {
    if
    :: queued[q] ->
        queued[q] = false;
        if
        :: donor == q -> need = true
        :: else
        fi
    :: else
    fi
}

inline release_waiters(q) {
    do
    :: waiters[q] != NONE ->
        waiter = waiters[q];
        assert(state[waiter] != FREED && waits_for[waiter] == q);
        waiters[q] = wait_next[waiter];
        wait_next[waiter] = NONE;
        waits_for[waiter] = NONE;
        enqueue(waiter)
    :: else -> break
    od
}

inline release_chain(q) {
    at = q;
    steps = 0;
    need = true;
    do
    :: at != NONE && steps < STEPS ->
        assert(state[at] != FREED);
        release_waiters(at);
        steps++;
        if
        :: state[at] == HELPING && helping[at] != STALE -> at = worker_of[helping[at]]
        :: else -> at = callee[at]
        fi
    :: else -> break
    od
}

inline wake(q) {
    if
    :: !is_worker(q) || caller[q] == NONE -> enqueue(q)
    :: else
    fi;
    release_waiters(q)
}

// thread_result(); the call that the thread was in, if any, ends here.
inline result(q, status) {
    state[q] = RUNNING;
    if
    :: pending[q] ->
        assert(status == OK || status == DEAD || status == CANCELLED || status == DEPTH);
        assert(status != OK || sender == q); // a reply: sender is the one whose message the worker has
        pending[q] = false;
        for (k : ACTIVE .. N - 1) {
            if
            :: serving[k] == q -> serving[k] = NONE
            :: else
            fi
        }
    :: else
    fi
}

inline deliver(from, gate) {
    picked = worker_of[gate];
    state[picked] = RUNNING;
    caller[picked] = from;
    serving[picked] = from;
    depth[picked] = depth[from] + 1;
    callee[from] = picked;
    helping[from] = NONE;
    state[from] = CALLING
}

inline orphan(q) {
    caller[q] = NONE;
    depth[q] = 0;
    if
#ifdef BUG_ORPHAN
    :: state[q] == RUNNING ->
#else
    :: state[q] == RUNNING || state[q] == CALLING || state[q] == HELPING ->
#endif
        helped[q] = true;
        enqueue(q)
    :: else
    fi
}

inline cancel(q) {
    sender = NONE;
    if
    :: state[q] == RECEIVE ->
        depth[q] = 0;
        result(q, CANCELLED);
        wake(q)
    :: state[q] == WAITING ->
        result(q, CANCELLED);
        wake(q)
    :: state[q] == CALLING ->
#ifndef BUG_CANCEL_CALL
        release_chain(q);
#endif
        other = callee[q];
        assert(other != NONE && state[other] != FREED && caller[other] == q);
        orphan(other);
        callee[q] = NONE;
        result(q, CANCELLED);
        wake(q)
    :: state[q] == HELPING ->
#ifndef BUG_CANCEL_HELPER
        release_chain(q);
#endif
        helping[q] = NONE;
        result(q, CANCELLED);
        wake(q)
    :: else
    fi
}

inline detach(q) {
    cancel(q);
    unqueue(q);
    state[q] = STOPPED
}

inline drop_caller(q) {
    if
    :: caller[q] != NONE ->
        other = caller[q];
        caller[q] = NONE;
        assert(state[other] == CALLING && callee[other] == q);
        callee[other] = NONE;
        sender = NONE;
        result(other, DEAD);
        wake(other)
    :: else
    fi
}

inline destroy(q) {
    detach(q);
    for (which : 0 .. GATES - 1) {
        if
        :: worker_of[which] == q -> worker_of[which] = NONE
        :: else
        fi
    }
#ifndef BUG_DESTROY_CALLER
    drop_caller(q);
#endif
#ifndef BUG_DESTROY_WAITERS
    release_waiters(q);
#endif
    if
    :: donor == q ->
        donor = NONE;
        need = true
    :: else
    fi;
    if
    :: cur == q -> cur = NONE
    :: else
    fi;
    state[q] = FREED;
    depth[q] = 0;
    helped[q] = false;
    flag_cancel[q] = false;
    serving[q] = NONE
}

inline ipc_call(q, gate) {
    pending[q] = true;
    sender = NONE;
    if
    :: worker_of[gate] == NONE -> result(q, DEAD)
    :: else ->
        if
        :: depth[q] >= DEPTH_MAX -> result(q, DEPTH)
        :: else ->
            if
            :: flag_cancel[q] ->
                flag_cancel[q] = false;
                result(q, CANCELLED)
            :: else ->
                if
                :: state[worker_of[gate]] == RECEIVE ->
                    deliver(q, gate);
                    if
                    :: fast -> cur = callee[q] // entry.S: without the scheduler
                    :: else
                    fi
                :: else ->
                    helping[q] = gate;
                    state[q] = HELPING
                fi
            fi
        fi
    fi
}

inline reply_wait(q) {
    other = caller[q];
    sender = serving[q];
    caller[q] = NONE;
    serving[q] = NONE;
    if
    :: fast ->
        callee[other] = NONE;
        result(other, OK);
        state[q] = RECEIVE;
        cur = other
    :: else ->
        depth[q] = 0;
        helped[q] = false;
        if
        :: other != NONE ->
            assert(state[other] == CALLING && callee[other] == q);
            callee[other] = NONE;
            result(other, OK)
        :: else
        fi;
        unqueue(q);
        if
        :: flag_cancel[q] ->
            flag_cancel[q] = false;
            need = true;
            enqueue(q)
        :: else ->
            state[q] = RECEIVE;
            release_waiters(q)
        fi
    fi
}

inline stale(gate) {
    for (k : 0 .. N - 1) {
        if
        :: helping[k] == gate -> helping[k] = STALE
        :: else
        fi
    }
}

// Both revocation of a gate and gate_destroy().
inline revoke(gate) {
    stale(gate);
#ifndef BUG_GATE
    if
    :: worker_of[gate] != NONE -> release_chain(worker_of[gate])
    :: else
    fi
#endif
}

// Leaves the thread that runs on q's time in `chosen`; NONE when the chain is blocked.
inline follow(q) {
    at = q;
    steps = 0;
    chosen = NONE;
    ended = false;
    do
    :: ended || steps == STEPS -> break
    :: else ->
        steps++;
        assert(at != NONE && state[at] != FREED);
        if
        :: state[at] == RUNNING ->
            chosen = at;
            ended = true
        :: state[at] == CALLING ->
            assert(callee[at] != NONE && caller[callee[at]] == at);
            at = callee[at]
        :: state[at] == HELPING ->
            which = helping[at];
            sender = NONE;
            if
            :: which == STALE || worker_of[which] == NONE ->
                helping[at] = NONE;
                result(at, DEAD);
                chosen = at;
                ended = true
            :: else ->
                if
                :: state[worker_of[which]] == RECEIVE -> deliver(at, which)
                :: else ->
#ifndef BUG_HELPED
                    helped[worker_of[which]] = true
#endif
                fi;
                at = worker_of[which]
            fi
        :: else ->
            unqueue(q);
            if
            :: at != q ->
                wait_next[q] = waiters[at];
                waiters[at] = q;
                waits_for[q] = at
            :: else
            fi;
            ended = true
        fi
    od;
    if
    :: !ended -> // a ring
        at = q;
        do
        :: state[at] == CALLING -> at = callee[at]
        :: else -> break
        od;
        assert(state[at] == HELPING);
        helping[at] = NONE;
        sender = NONE;
        result(at, DEPTH);
        chosen = at
    :: else
    fi
}

inline perform() {
    if
    :: op == CALL -> ipc_call(cur, arg)
    :: op == REPLY -> reply_wait(cur)
    :: op == WAIT ->
        if
        :: flag_cancel[cur] -> flag_cancel[cur] = false
        :: else -> state[cur] = WAITING
        fi
    :: op == FAULT -> state[cur] = STOPPED
    :: op == YIELD -> need = true
    :: op == CANCEL ->
        if
        :: state[arg] == RUNNING -> flag_cancel[arg] = true
        :: else -> cancel(arg)
        fi
    :: op == STOP -> detach(arg)
    :: op == START ->
        drop_caller(arg);
        depth[arg] = 0;
        flag_cancel[arg] = false;
        helped[arg] = false;
        serving[arg] = NONE;
        state[arg] = RUNNING;
        wake(arg)
    :: op == RESUME ->
        state[arg] = RUNNING;
        wake(arg)
    :: op == DESTROY -> destroy(arg)
    :: op == RAISE ->
        sender = NONE;
        result(arg, OK);
        wake(arg)
    :: op == GATE_FREE ->
        revoke(arg);
        worker_of[arg] = STALE
    :: op == REVOKE -> revoke(arg)
    :: op == CREATE ->
        if
        :: state[arg] == FREED -> state[arg] = STOPPED
        :: else
        fi;
        if
        :: is_worker(arg) && (worker_of[arg - ACTIVE] == STALE || worker_of[arg - ACTIVE] == NONE) ->
            stale(arg - ACTIVE); // a dead worker's gate goes
            worker_of[arg - ACTIVE] = arg
        :: else
        fi
    fi
}

// The properties, between any two steps: those of tests/unit/kernel_check.h that concern threads.
inline check() {
    for (k : 0 .. N - 1) {
        // links agree with each other, none leads to a freed thread
        assert((state[k] == CALLING) == (callee[k] != NONE));
        assert((state[k] == HELPING) == (helping[k] != NONE));
        assert(callee[k] == NONE || (caller[callee[k]] == k && state[callee[k]] != FREED));
        assert(caller[k] == NONE || (callee[caller[k]] == k && state[caller[k]] == CALLING && is_worker(k)));
        assert(caller[k] == NONE || (!queued[k] && waits_for[k] == NONE));
        assert(state[k] != RECEIVE || (!queued[k] && caller[k] == NONE && is_worker(k)));
        assert(depth[k] <= DEPTH_MAX && (is_worker(k) || depth[k] == 0));
        // a freed thread stands nowhere
        assert(state[k] != FREED || (!queued[k] && caller[k] == NONE && waiters[k] == NONE && waits_for[k] == NONE));
        // a call is in progress exactly while its thread is in it
        assert(pending[k] == (state[k] == CALLING || state[k] == HELPING));
        // the end of its chain: other; NONE: there is something to do, or a ring
        other = k;
        steps = 0;
        ended = false;
        do
        :: ended || steps == STEPS -> break
        :: else ->
            steps++;
            if
            :: state[other] == CALLING -> other = callee[other]
            :: state[other] == HELPING ->
                if
                :: helping[other] == STALE || worker_of[helping[other]] == NONE -> other = NONE
                :: else -> other = worker_of[helping[other]]
                fi;
                if
                :: other == NONE || state[other] == RECEIVE ->
                    other = NONE;
                    ended = true
                :: else
                fi
            :: else -> ended = true
            fi
        od;
        if
        :: !ended -> other = NONE
        :: else
        fi;
        // nobody is forgotten: who has nobody's time is queued, or waits at its chain's end, which is blocked
        if
        :: waits_for[k] != NONE ->
            assert(!queued[k] && waits_for[k] == other);
            assert(state[other] == STOPPED || state[other] == WAITING || state[other] == RECEIVE);
            waiter = waiters[other];
            steps = 0;
            do
            :: waiter == NONE || waiter == k || steps == N -> break
            :: else ->
                waiter = wait_next[waiter];
                steps++
            od;
            assert(waiter == k)
        :: else ->
            assert(wait_next[k] == NONE);
            assert(caller[k] != NONE || queued[k] || (state[k] != RUNNING && state[k] != CALLING && state[k] != HELPING))
        fi;
        waiter = waiters[k];
        do
        :: waiter == NONE -> break
        :: else ->
            assert(waits_for[waiter] == k);
            waiter = wait_next[waiter]
        od;
#ifdef TIME
        assert(cur == NONE || donor != k || other == cur);
#endif
    }
    assert(cur == NONE || (state[cur] == RUNNING && donor != NONE && queued[donor]));
    assert(cur != NONE || (!queued[0] && !queued[1] && !queued[2] && !queued[3]))
}

// Without FULL the first thread is never destroyed and the second worker's gate only dies with the worker: fewer states.
#ifdef FULL
#define MAY_GO(q)     true
#define MAY_REVOKE(q) true
#else
#define MAY_GO(q)     (q != 0)
#define MAY_REVOKE(q) (q == 0)
#endif
#define stopped(q) (state[q] == STOPPED)

init {
    d_step {
        for (k : 0 .. N - 1) {
            state[k] = STOPPED;
            caller[k] = NONE;
            callee[k] = NONE;
            helping[k] = NONE;
            waiters[k] = NONE;
            wait_next[k] = NONE;
            waits_for[k] = NONE;
            serving[k] = NONE
        }
        for (k : 0 .. GATES - 1) {
            worker_of[k] = ACTIVE + k
        }
    }
    do
    :: atomic {
        // ---- who does what
        if
        :: outside = true
        :: cur != NONE -> outside = false
        fi;
        if
        :: arg = 0
        :: arg = 1
        :: arg = 2
        :: arg = 3
        fi;
        fast = false;
        if
        :: (!outside && arg < GATES && worker_of[arg] != STALE) ->
            op = CALL;
            if
            :: worker_of[arg] != NONE && state[worker_of[arg]] == RECEIVE && !flag_cancel[worker_of[arg]] && !helped[worker_of[arg]] &&
               depth[cur] < DEPTH_MAX && !flag_cancel[cur] && !helped[cur] -> fast = true
            :: fast = false
            fi
        :: (!outside && arg == 0 && is_worker(cur)) ->
            op = REPLY;
            if
            :: caller[cur] != NONE && !flag_cancel[cur] && !helped[cur] && state[caller[cur]] == CALLING &&
               !flag_cancel[caller[cur]] && !helped[caller[cur]] -> fast = true
            :: fast = false
            fi
        :: (!outside && arg == 0) -> op = WAIT
        :: (!outside && arg == 0) -> op = FAULT
        :: (!outside && arg == 0) -> op = YIELD
        :: state[arg] != FREED -> op = CANCEL
        :: state[arg] != FREED && !stopped(arg) -> op = STOP
        :: stopped(arg) -> op = START
        :: stopped(arg) -> op = RESUME
        :: state[arg] != FREED && MAY_GO(arg) -> op = DESTROY
        :: state[arg] == WAITING -> op = RAISE
        :: arg < GATES && worker_of[arg] != STALE && MAY_REVOKE(arg) -> op = GATE_FREE
        :: arg < GATES && worker_of[arg] != STALE && worker_of[arg] != NONE && MAY_REVOKE(arg) -> op = REVOKE
        :: MAY_GO(arg) -> op = CREATE
        fi;
        // ---- the kernel does it
        d_step {
            need = false;
            if
            :: outside ->
                cur = NONE;
                donor = NONE
            :: else
            fi;
            perform()
        };
        // ---- sched_return()
        if
        :: need || cur == NONE || state[cur] != RUNNING -> need = true
        :: !need && cur != NONE && state[cur] == RUNNING -> skip
        :: !need && cur != NONE && state[cur] == RUNNING && !fast -> need = true // somebody more urgent was woken
        fi;
        // ---- schedule()
        do
        :: need ->
            if
            :: queued[0] -> picked = 0
            :: queued[1] -> picked = 1
            :: queued[2] -> picked = 2
            :: queued[3] -> picked = 3
            :: else -> picked = NONE
            fi;
            d_step {
                if
                :: picked == NONE ->
                    donor = NONE;
                    cur = NONE;
                    need = false
                :: else ->
                    other = picked;
                    follow(other);
                    if
                    :: chosen != NONE ->
                        assert(state[chosen] == RUNNING);
                        donor = other;
                        cur = chosen;
                        need = false
                    :: else
                    fi
                fi
            }
        :: else -> break
        od;
        d_step {
            check();
            op = 0;
            arg = 0;
            fast = 0;
            outside = 0;
            k = 0;
            sender = 0;
            waiter = 0;
            at = 0;
            steps = 0;
            other = 0;
            picked = 0;
            which = 0;
            chosen = 0;
            ended = 0;
            need = false
        }
    }
    od
}
