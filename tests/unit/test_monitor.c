// SPDX-License-Identifier: BSD-2-Clause
// The monitor's channel: commands in, text out, peers that stop reading.
// links: vmm/monitor.c vmm/monitor_file.c lib/ring.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "monitor.h"

#define BYTES 4096u

static struct ring *rings[2];
static struct task_info info;
static struct monitor monitor;
static struct ring_end to, from; // root's ends
static char got[1 << 16];
static size_t got_length;
static unsigned told;
static bool reads;

static void drain(void)
{
    got_length += ring_read(&from, got + got_length, (uint32_t)(sizeof(got) - got_length));
}

static void tell(void *vm)
{
    (void)vm;
    told++;
}

static bool wait(void *vm)
{
    (void)vm;
    if (reads)
        drain();
    return reads;
}

static bool echo(void *dev, const char *arguments, struct monitor *m)
{
    monitor_print(m, "%s<%s>", (const char *)dev, arguments);
    return true;
}

static bool flood(void *dev, const char *arguments, struct monitor *m)
{
    (void)dev, (void)arguments;
    for (unsigned i = 0; i < 1000; i++)
        monitor_write(m, "0123456789\0abcdef", 17);
    return true;
}

static bool file(void *dev, const char *arguments, struct monitor *m)
{
    struct monitor_file f;

    (void)dev;
    monitor_file_begin(&f, m, "name");
    monitor_file_write(&f, arguments, strlen(arguments));
    monitor_file_end(&f);
    return true;
}

static int setup(void **state)
{
    uint32_t size = ring_capacity(BYTES);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        free(rings[i]);
        rings[i] = aligned_alloc(64, BYTES);
        ring_init(rings[i], size);
    }
    info.channel_count = 1;
    info.channels[0] = (struct task_channel){.kind = CHANNEL_MONITOR,
                                             .ring_bytes = BYTES,
                                             .rx = (uintptr_t)rings[0],
                                             .tx = (uintptr_t)rings[1]};
    ring_open(&to, rings[0], size, RING_PRODUCER);
    ring_open(&from, rings[1], size, RING_CONSUMER);
    monitor_init(&monitor, &info, tell, wait, NULL);
    monitor_add(&monitor, "echo", NULL, "says it again", echo, "");
    monitor_add(&monitor, "eject", "cd0", "takes the disc out", echo, "0");
    monitor_add(&monitor, "eject", "cd1", "takes the disc out", echo, "1");
    monitor_add(&monitor, "flood", NULL, NULL, flood, NULL);
    monitor_add(&monitor, "file", NULL, NULL, file, NULL);
    got_length = told = 0;
    reads = true;
    return 0;
}

static void ask(const char *line)
{
    got_length = 0;
    ring_write(&to, line, (uint32_t)strlen(line));
    monitor_serve(&monitor);
    drain();
    got[got_length] = 0;
}

#define ANSWER(text, status) assert_memory_equal(got, text "\0" status, sizeof(text) + 1)

static void commands(void **state)
{
    (void)state;
    ask("echo  a b \n");
    ANSWER("<a b>", "\1");
    assert_true(told > 0);
    ask("echo\n");
    ANSWER("<>", "\1");
    ask("eject cd1 now\n");
    ANSWER("1<now>", "\1");
    ask("eject cd\n");
    ANSWER("it needs the name of a device: cd0 cd1\n", "\2");
    ask("ejec\n");
    ANSWER("there is no command \"ejec\"; `help` shows all\n", "\2");
    ask("\n");
    assert_int_equal(got[got_length - 1], 2);
    ask("help\n");
    ANSWER("  help  this list\n  echo  says it again\n  eject cd0  takes the disc out\n"
           "  eject cd1  takes the disc out\n",
           "\1");
    ask("ec");
    assert_int_equal(got_length, 0);
    ask("ho\x01 1\necho 2\n"); // control characters are dropped
    ANSWER("<1>\0\1<2>", "\1");
    char longer[300];
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "echo ", 5);
    longer[298] = '\n';
    longer[299] = 0;
    ask(longer);
    assert_int_equal(strlen(got), MONITOR_LINE - 1 - 5 + 2);
}

static void flow(void **state)
{
    (void)state;
    ask("flood\n");
    assert_int_equal(got_length, 16000 + 2);
    assert_memory_equal(got, "0123456789abcdef01", 18);
    reads = false; // it stops reading: the rest is dropped, and the next command works
    ask("flood\n");
    assert_true(got_length < BYTES);
    reads = true;
    drain();
    ask("echo x\n");
    ANSWER("<x>", "\1");
}

static void files(void **state)
{
    (void)state;
    ask("file M\n");
    ANSWER("begin-base64 644 name\nTQ==\n====\n", "\1");
    ask("file Ma\n");
    ANSWER("begin-base64 644 name\nTWE=\n====\n", "\1");
    ask("file 0123456789012345678901234567890123456789012345678901234567\n");
    ANSWER("begin-base64 644 name\n"
           "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\n"
           "Nw==\n====\n",
           "\1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(commands, setup),
        cmocka_unit_test_setup(flow, setup),
        cmocka_unit_test_setup(files, setup),
    };
    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
