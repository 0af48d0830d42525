// SPDX-License-Identifier: BSD-2-Clause
// The prompt's commands for the monitors of VMs.
// clang-format off
// links: servers/console/console.c servers/console/activity.c servers/console/command.c servers/console/view.c servers/console/manager.c servers/console/line.c servers/console/escape.c servers/console/scroll.c servers/console/out.c lib/ring.c
// clang-format on

#include "console_host.h"

static void asks_monitors(void **s)
{
    (void)s;
    type("pause open\r");
    assert_string_equal(asked, "open|pause");
    expect("pause open\r\n" LINE_PROMPT);
    type("vm  secure   balloon  64 now \r");
    assert_string_equal(asked, "secure|balloon  64 now ");
    type("vm open\r");
    assert_string_equal(asked, "open|help");
    type("vm open long\r");
    expect("part part end\r\n" LINE_PROMPT);
    type("vm open no\r");
    expect("open: refused\r\n" LINE_PROMPT);
    type("vm nobody help\r");
    expect("There is no VM `nobody`.");
    type("vm\r");
    expect("`vm` needs a name");
    type("snapshot open\r");
    expect("open: saved, 7 KiB\r\n" LINE_PROMPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(asks_monitors, start_prompt)};

    return cmocka_run_group_tests_name("console: monitors", tests, NULL, NULL);
}
