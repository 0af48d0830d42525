// SPDX-License-Identifier: BSD-2-Clause
// Joins this terminal with the serial line of an emulator on a TCP port of this machine (Bochs:
// com1 mode=socket-server, which waits with the start until someone connects). Ctrl-A x leaves,
// like in QEMU; Ctrl-A Ctrl-A sends one Ctrl-A; every other key goes through.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum {
    ESCAPE = 1 /* Ctrl-A */,
    CONNECT_TRIES = 200,
    TRY_MICROSECONDS = 100000,
    LINE_CLOSED = 3 /* exit status */
};

static struct termios saved;
static bool is_terminal;

static void restore_terminal(void)
{
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void leave(int number)
{
    restore_terminal();
    _exit(128 + number);
}

static void raw_terminal(void)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
        return;
    is_terminal = true;
    atexit(restore_terminal);
    signal(SIGTERM, leave);
    signal(SIGHUP, leave);
    raw = saved;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST | ONLCR; // a bare newline from the emulated machine still starts a line
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static struct sockaddr_in address(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

// A port that nobody listens on. Somebody may take it before the emulator does: then it says so.
static int print_free_port(void)
{
    struct sockaddr_in at = address(0);
    socklen_t size = sizeof(at);
    int line = socket(AF_INET, SOCK_STREAM, 0);

    if (line < 0 || bind(line, (struct sockaddr *)&at, size) ||
        getsockname(line, (struct sockaddr *)&at, &size)) {
        perror("serial-bridge: no port");
        return 1;
    }
    printf("%u\n", ntohs(at.sin_port));
    return 0;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in at = address(port);

    for (int i = 0; i < CONNECT_TRIES; i++) {
        int line = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (line >= 0 && !connect(line, (struct sockaddr *)&at, sizeof(at)))
            return line;
        close(line);
        usleep(TRY_MICROSECONDS);
    }
    fprintf(stderr, "serial-bridge: nobody listens on port %u\n", port);
    return -1;
}

static bool write_all(int file, const char *data, size_t length)
{
    while (length) {
        ssize_t done = write(file, data, length);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data += done;
        length -= (size_t)done;
    }
    return true;
}

// Keys from the user; false when the user wants to leave or the line is gone.
static bool send_keys(int line, const char *keys, size_t length, bool *escaped)
{
    for (size_t i = 0; i < length; i++) {
        if (!*escaped && keys[i] == ESCAPE && is_terminal) {
            *escaped = true;
            continue;
        }
        if (*escaped && keys[i] == 'x')
            return false;
        *escaped = false;
        if (!write_all(line, &keys[i], 1))
            return false;
    }
    return true;
}

// True when the user left, false when the line was closed.
static bool bridge(int line)
{
    struct pollfd wait[2] = {{.fd = line, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    bool escaped = false;
    char buffer[4096];

    for (;;) {
        if (poll(wait, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        if (wait[0].revents) {
            ssize_t got = read(line, buffer, sizeof(buffer));

            if (got <= 0 || !write_all(STDOUT_FILENO, buffer, (size_t)got))
                return false;
        }
        if (wait[1].revents) {
            ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));

            if (got <= 0)
                wait[1].fd = -1; // no more input, but output may still come
            else if (!send_keys(line, buffer, (size_t)got, &escaped))
                return true;
        }
    }
}

int main(int argc, char **argv)
{
    unsigned long port = 0;
    char *end = "";

    if (argc == 2 && !strcmp(argv[1], "--free-port"))
        return print_free_port();
    if (argc == 2)
        port = strtoul(argv[1], &end, 10);
    if (!port || port > 65535 || *end) {
        fputs("usage: serial-bridge PORT | serial-bridge --free-port\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int line = connect_to((unsigned)port);
    if (line < 0)
        return 1;
    raw_terminal();
    return bridge(line) ? 0 : LINE_CLOSED;
}
