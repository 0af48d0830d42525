// SPDX-License-Identifier: BSD-2-Clause
// The whole console but its hardware, between a model of root, two VMs and a terminal.
// clang-format off
// links: servers/console/console.c servers/console/activity.c servers/console/command.c servers/console/view.c servers/console/manager.c servers/console/line.c servers/console/escape.c servers/console/scroll.c servers/console/out.c lib/ring.c
// clang-format on

#include "console_host.h"

static void narrow(void)
{
    unsigned column = 0;

    for (size_t i = 0; i < shown_length; i++) {
        column = shown[i] == '\r' || shown[i] == '\n' ? 0 : column + 1;
        assert_true(column < 80);
    }
}

static void waits_for_the_vms(void **s)
{
    (void)s;
    expect("Bulkhead");
    expect("demo, 2 VMs");
    expect("AMD SVM");
    expect_not(LINE_PROMPT);
    status[0].tsc_ready = 300 * MS;
    now = 800 * MS;
    run();
    expect_not(LINE_PROMPT);
    status[1].tsc_ready = 700 * MS;
    now = 1200 * MS;
    run();
    expect("first instruction    0.070 ");
    expect("0.700");
    expect("NAME ");
    expect("memory: 512M of 1024M free");
    expect("\r\n" LINE_PROMPT);
    narrow();
    assert_int_equal(console_deadline(&c), 0);
}

// Those that will hardly get ready do not hold up the prompt; the chart has no time for them.
static void waits_for_nobody_in_vain(void **s)
{
    (void)s;
    status[0].tsc_ready = 300 * MS;
    now = 5000 * MS; // 4.9 s after the first output of `secure`
    run();
    expect_not(LINE_PROMPT);
    now = 5400 * MS;
    run();
    expect("ready                0.300 ");
    expect("ready                    -\r\n");
    expect(LINE_PROMPT);
}

static void waits_for_no_ended_vm(void **s)
{
    (void)s;
    status[0].tsc_ready = 300 * MS;
    status[1].state = TASK_CRASHED;
    now = 500 * MS;
    run();
    expect(LINE_PROMPT);
}

static void waits_for_no_silent_vm_without_ready(void **s)
{
    (void)s;
    status[0].tsc_ready = 300 * MS;
    status[1].tsc_first_output = status[1].tsc_first_entry = 0;
    status[1].no_ready = 1;
    now = 500 * MS;
    run();
    expect_not(LINE_PROMPT);
    status[1].tsc_first_entry = 600 * MS;
    now = 800 * MS;
    run();
    expect("first output             -\r\n");
    expect(LINE_PROMPT);
}

static void starts_without_all(void **s)
{
    (void)s;
    type("li\x1b[0nst\r"); // typed ahead, with the terminal's answer in between
    expect("\x1b[32m#");
    expect(LINE_PROMPT "list\r\n");
    expect("EXITS");
    expect("256M");
}

static void gives_up_waiting(void **s)
{
    (void)s;
    root_answers = false;
    for (unsigned i = 0; i < 200; i++, now += 200 * MS)
        run();
    expect(LINE_PROMPT);
}

static void attaches(void **s)
{
    (void)s;
    print(0, "login: ");
    print(1, "secret");
    type("console open\r");
    expect("[attached to open; leave with Enter ~ . or ^] ]\r\nlogin: ");
    expect_not("secret");
    type("root\r~~~.x");
    assert_string_equal(received(0), "root\r~~.x");
    assert_string_equal(received(1), "");
    print(0, "\x1b[2Jhello\xff");
    type("\r~.");
    expect("\x1b[2Jhello\xff");
    expect("[detached from open]\r\n" LINE_PROMPT);
    type("console secure\r");
    expect("secret");
    type("\x1d");
    expect("[detached from secure]");
    assert_true(peers[0].raised > 0);
}

static void bounds_a_flood(void **s)
{
    char line[64];
    unsigned in = 0, out = 0;

    (void)s;
    type("console open\r");
    shown_length = 0;
    // The terminal takes one byte a turn: nothing may be lost, and the other VM goes on.
    for (unsigned turn = 0; turn < 30000; turn++) {
        uint8_t byte;

        while (snprintf(line, sizeof(line), "%07u\n", in) == 8 && ring_free(&peers[0].out) >= 8) {
            ring_write(&peers[0].out, line, 8);
            in++;
        }
        print(1, "x");
        now += 20 * MS;
        console_turn(&c, now);
        if (console_output(&c, &byte, 1) == 1)
            shown[shown_length++] = (char)byte;
    }
    shown[shown_length] = '\0';
    for (char *p = strchr(shown, '0'); p + 8 <= shown + shown_length; p += 8)
        assert_int_equal(strtoul(p, NULL, 10), out++);
    assert_true(out > 3000);
    assert_int_equal(c.vms[1].scroll.head, 30000);
    type("\x1d");
    expect("[detached from open]");
    // Not attached, it is drained, a quota a turn.
    assert_int_equal(ring_used(&c.vms[0].rx), 0);
}

static void hears_in_batches(void **s)
{
    uint64_t end = now + 200 * MS;
    unsigned raised = 0, turns = 0;

    (void)s;
    // A guest prints a byte each 10 us; the console is woken by raises and deadlines alone, as in
    // main.c.
    for (; now < end; now += MS / 100) {
        print(1, "z");
        raised += peers[1].out.raise;
        if (!peers[1].out.raise && (console_deadline(&c) == 0 || console_deadline(&c) > now))
            continue;
        peers[1].out.raise = false;
        console_turn(&c, now);
        turns++;
    }
    assert_in_range(raised, 5, 15);
    assert_in_range(turns, 10, 30);
    run();
    assert_int_equal(c.vms[1].scroll.head, 20000);
}

static void prints_the_log(void **s)
{
    (void)s;
    for (unsigned i = 0; i < 1000; i++) {
        print(1, "some line\r\n");
        run();
    }
    type("log secure\r");
    expect("some line\r\n");
    expect("[end of the log of secure]\r\n" LINE_PROMPT);
    assert_true(shown_length > SCROLL);
}

static void answers_commands(void **s)
{
    (void)s;
    type("help\r");
    expect("console  NAME");
    narrow();
    type("list\r");
    expect("open             vm     ready       256M");
    narrow();
    type("info secure\r");
    expect("secure: vm, ready");
    type("stop secure\r");
    expect("secure: stopped\r\n");
    type("list\r");
    expect("secure           vm     stopped");
    type("time\r");
    expect("up 0 days 0:00:00.5");
    type("boot\r");
    expect("first output");
    type("top\r");
    expect_not("NAME");
    now += 1001 * MS;
    run();
    expect("25.0"); // the model of root counts a quarter of the time
}

static void kernel_commands(void **s)
{
    (void)s;
    kernel_steps = 0;
    type("kernel  list task\r");
    expect_not(LINE_PROMPT "kernel  list task\r\n" LINE_PROMPT);
    assert_int_equal(kernel_steps, 0); // what the console said goes out first
    now += 51 * MS;
    run();
    assert_int_equal(kernel_steps, 4);
    expect(LINE_PROMPT);
    type("kernel\r");
    now += 51 * MS;
    run();
    expect("kernel: refused: no debugger\r\n" LINE_PROMPT);
}

static void explains_errors(void **s)
{
    (void)s;
    type("lsit\r");
    expect("There is no command `lsit`. Did you mean `list`?");
    type("frobnicate\r");
    expect("There is no command `frobnicate`. `help`");
    type("console opne\r");
    expect("There is no VM `opne`. Did you mean `open`? VMs: open secure");
    type("stop\r");
    expect("`stop` needs a name: stop NAME. VMs: open secure");
    type("list open\r");
    expect("takes nothing");
    type("stop open now\r");
    expect("takes one name");
    type("   \r");
    expect_not("There");
    root_answers = false;
    type("list\r");
    expect_not(LINE_PROMPT);
    now += 6000 * MS;
    run();
    expect("did not answer");
    type("list\r\x03");
    expect(LINE_PROMPT);
}

static void completes(void **s)
{
    (void)s;
    type("cons\to\t");
    assert_string_equal(c.line.text, "console open");
    type("\x15re\t");
    expect("restart  resume  restore  reboot  ");
    type("st\t");
    type("a\t");
    assert_string_equal(c.line.text, "restart ");
    type("zzz\t");
    assert_string_equal(c.line.text, "restart zzz");
}

static void announces(void **s)
{
    (void)s;
    type("he");
    state[1] = MANAGE_CRASHED;
    reply(0, 0, "secure", MANAGE_CRASHED, "secure: triple fault");
    run();
    expect("[secure: triple fault]\r\n" LINE_PROMPT "he");
    type("\x03");
    type("console open\r");
    print(0, "last words");
    state[0] = MANAGE_CRASHED;
    reply(0, 0, "open", MANAGE_CRASHED, "open: page fault at 0x0");
    run();
    expect("last words\r\n[open: page fault at 0x0]");
    expect("[open is crashed; `start open` starts it]\r\n[detached from open]");
    type("console open\r");
    expect("last words\r\n[open is crashed");
    type("start open\r");
    expect("open: running\r\n");
    type("console open\r");
    reply(0, 0, "secure", MANAGE_RUNNING, "secure: started again");
    run();
    expect("[secure: started again]");
    expect_not("detached");
}

static void survives_full_queues(void **s)
{
    (void)s;
    root_answers = false;
    for (unsigned i = 0; i < 100; i++)
        type("list\r\x03");
    expect("takes no requests now");
    type("console secure\r");
    for (unsigned i = 0; i < 5000; i++)
        console_type(&c, (const uint8_t *)"y", 1), run();
    expect("\a");
    type("\x1d");
    expect("[detached from secure]");
    for (unsigned i = 0; i < 100000; i++)
        console_type(&c, (const uint8_t *)"help\r", 5), console_turn(&c, now);
    assert_true(out_used(&c.out) <= OUT_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waits_for_the_vms, start),
        TEST(starts_without_all, start),
        TEST(waits_for_nobody_in_vain, start),
        TEST(waits_for_no_ended_vm, start),
        TEST(waits_for_no_silent_vm_without_ready, start),
        TEST(gives_up_waiting, start),
        TEST(attaches, start_prompt),
        TEST(bounds_a_flood, start_prompt),
        TEST(hears_in_batches, start_prompt),
        TEST(prints_the_log, start_prompt),
        TEST(answers_commands, start_prompt),
        TEST(kernel_commands, start_prompt),
        TEST(explains_errors, start_prompt),
        TEST(completes, start_prompt),
        TEST(announces, start_prompt),
        TEST(survives_full_queues, start_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
