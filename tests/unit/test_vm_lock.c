// SPDX-License-Identifier: BSD-2-Clause
// The lock of a VM: the word by itself, then four threads that sleep at it as the vmm's do.
// links: vmm/vm_lock.c
// libs: -lpthread
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vm_lock.h"

enum { THREADS = 4, TURNS = 20000 };

static struct vm_lock lock;
static unsigned inside, turns; // under the lock

// A signal with one bit.
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t set;
    int bit;
} signals[THREADS];

static void raise_signal(int i)
{
    pthread_mutex_lock(&signals[i].mutex);
    signals[i].bit = 1;
    pthread_cond_signal(&signals[i].set);
    pthread_mutex_unlock(&signals[i].mutex);
}

static void wait_signal(unsigned i)
{
    pthread_mutex_lock(&signals[i].mutex);
    while (!signals[i].bit)
        pthread_cond_wait(&signals[i].set, &signals[i].mutex);
    signals[i].bit = 0;
    pthread_mutex_unlock(&signals[i].mutex);
}

static void *worker(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < TURNS; i++) {
        while (!vm_lock_try(&lock, self))
            wait_signal(self);
        if (inside++)
            __builtin_trap();
        turns++;
        inside--;
        int next = vm_lock_release(&lock, self);
        if (next >= 0)
            raise_signal(next);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_mutex_init(&signals[i].mutex, NULL);
        pthread_cond_init(&signals[i].set, NULL);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(turns, THREADS * TURNS);
    assert_int_equal(lock.word, 0);
}

static void test_waiters_take_turns(void **state)
{
    struct vm_lock word = {0};

    (void)state;
    assert_true(vm_lock_try(&word, 1));
    assert_false(vm_lock_try(&word, 0));
    assert_false(vm_lock_try(&word, 3));
    assert_false(vm_lock_try(&word, 3)); // woken for something else
    assert_int_equal(vm_lock_release(&word, 1), 3);
    assert_true(vm_lock_try(&word, 2)); // came before 3
    assert_false(vm_lock_try(&word, 3));
    assert_int_equal(vm_lock_release(&word, 2), 3);
    assert_true(vm_lock_try(&word, 3));
    assert_int_equal(vm_lock_release(&word, 3), 0);
    assert_true(vm_lock_try(&word, 0));
    assert_int_equal(vm_lock_release(&word, 0), -1);
    assert_int_equal(word.word, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiters_take_turns),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
