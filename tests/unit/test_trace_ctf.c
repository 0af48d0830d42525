// SPDX-License-Identifier: BSD-2-Clause
// From the kernel's log to a trace: what counts as a record, the order, the bytes of the stream,
// the metadata. That a reader takes it is tests/kernel/debug.sh.
#define main trace_ctf_main
#include "tools/trace-ctf.c"
#undef main

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static struct trace trace;

static int setup(void **state)
{
    (void)state;
    free(trace.records);
    memset(&trace, 0, sizeof(trace));
    trace.hz = 1;
    return 0;
}

static void read_text(const char *const *lines)
{
    for (; *lines; lines++)
        assert_true(read_line(&trace, *lines));
}

static void reads_only_records(void **state)
{
    (void)state;
    read_text((const char *const[]){
        "bulkhead> kernel trace", "@tsc 2600000000 4\r\n", "@tsc 0 4", "@trace",
        "@trace 0 1 1 2 3 4",
        "@trace 40 1 1 2 3 4 5", // there is no such CPU
        "@trace 0 1 3f 2 3 4 5", // nor such an event
        "@trace zz", "text before @trace 3 ff 2 1f 12 5 ffffffffffffffff\r\n", NULL});
    assert_int_equal(trace.hz, 2600000000);
    assert_int_equal(trace.count, 1);
    assert_memory_equal(trace.records,
                        (&(struct trace_record){0xff, 2, 3, 0x1f, 0x12, 5, UINT64_MAX}),
                        sizeof(struct trace_record));
}

static void sorts_and_drops_twins(void **state)
{
    (void)state;
    read_text((const char *const[]){"@trace 1 5 1 0 0 0 0", "@trace 0 9 1 0 0 0 0",
                                    "@trace 0 7 1 0 0 0 1", "@trace 0 9 1 0 0 0 0",
                                    "@trace 0 7 1 0 0 0 0", NULL});
    sort(&trace);
    assert_int_equal(trace.count, 4);
    assert_int_equal(trace.records[0].time, 7);
    assert_int_equal(trace.records[1].time, 7);
    assert_int_equal(trace.records[2].time, 9);
    assert_int_equal(trace.records[3].cpu, 1);
}

static void names_are_quoted(void **state)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    (void)state;
    read_text((const char *const[]){"5(o\"p) thread in pool 1(root)", "5(open) thread in pool 4",
                                    "  capability 3: rights 0xf 7(x) task in pool 1",
                                    "8(y) task on paper", "6(a\"b) task in pool 1",
                                    "0(none) task in pool 1", NULL});
    assert_int_equal(trace.name_count, 2);
    print_metadata(f, &trace);
    fclose(f);
    assert_int_equal(strncmp(text, "/* CTF 1.8 */", 13), 0); // readers look for exactly this
    assert_non_null(strstr(text, "\"none\" = 0, \"open thread\" = 5, \"a?b task\" = 6, }"));
    assert_non_null(strstr(text, "freq = 1;"));
    assert_non_null(strstr(text,
                           "event { name = \"switch\"; id = 3; stream_id = 0; fields := struct { "
                           "SLOT_t _from; SLOT_t _to; DEC_t _priority; HEX_long_t _rip; }; };"));
    free(text);
}

static void stream_is_one_packet(void **state)
{
    unsigned char bytes[256];
    uint64_t sizes[4];
    uint32_t word;
    FILE *f = tmpfile();

    (void)state;
    read_text((const char *const[]){"@trace 2 10 1 a b c d", "@trace 2 20 3 a b c d", NULL});
    print_stream(f, trace.records, 2);
    rewind(f);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), f), 44 + 2 * 32);
    fclose(f);
    memcpy(&word, bytes, 4);
    assert_int_equal(word, 0xc1fc1fc1);
    memcpy(sizes, bytes + 8, sizeof(sizes));
    assert_int_equal(sizes[0], 8 * (44 + 2 * 32));
    assert_int_equal(sizes[1], sizes[0]);
    assert_int_equal(sizes[2], 0x10);
    assert_int_equal(sizes[3], 0x20);
    assert_int_equal(bytes[40], 2); // the CPU
    assert_int_equal(bytes[44], 0x10);
    assert_int_equal(bytes[44 + 32 + 8], 3); // the event, 32 bits
    assert_int_equal(bytes[44 + 32 + 10], 0);
    assert_int_equal(bytes[44 + 32 + 24], 0xd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_only_records, setup),
        cmocka_unit_test_setup(sorts_and_drops_twins, setup),
        cmocka_unit_test_setup(names_are_quoted, setup),
        cmocka_unit_test_setup(stream_is_one_packet, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(trace.records);
    return failed;
}
