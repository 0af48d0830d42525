// SPDX-License-Identifier: BSD-2-Clause
// Runs in a Linux guest: sends a stream of known bytes through a vsock connection, or takes it and
// checks it. A static program, for a guest without libraries.
//   vsock cid                   prints the guest's own CID
//   vsock take PORT             waits for a connection, prints the number of bytes, "good" or "bad"
//   vsock send CID PORT BYTES   sends; prints the answer, which is the number again
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static _Noreturn void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_vm address(unsigned cid, unsigned port)
{
    return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static int own_cid(void)
{
    unsigned cid;
    int device = open("/dev/vsock", O_RDONLY);
    if (device < 0 || ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
        fail("cid");
    printf("%u\n", cid);
    return 0;
}

static int take(unsigned port)
{
    static uint8_t buf[65536];
    struct sockaddr_vm own = address(VMADDR_CID_ANY, port), peer;
    socklen_t size = sizeof(peer);
    uint64_t total = 0;
    int good = 1, server = socket(AF_VSOCK, SOCK_STREAM, 0), client;

    if (server < 0 || bind(server, (struct sockaddr *)&own, sizeof(own)) || listen(server, 1))
        fail("listen");
    client = accept(server, (struct sockaddr *)&peer, &size);
    if (client < 0)
        fail("accept");
    for (ssize_t n; (n = read(client, buf, sizeof(buf))) > 0; total += (uint64_t)n)
        for (ssize_t i = 0; i < n; i++)
            good &= buf[i] == pattern(total + (uint64_t)i);
    int length = snprintf((char *)buf, sizeof(buf), "%llu %s", (unsigned long long)total,
                          good ? "good" : "bad");
    if (write(client, buf, (size_t)length) != length)
        fail("answer");
    printf("from %u: %s\n", peer.svm_cid, (char *)buf);
    return !good;
}

static int give(unsigned cid, unsigned port, uint64_t bytes)
{
    static uint8_t buf[65536];
    struct sockaddr_vm peer = address(cid, port);
    int s = socket(AF_VSOCK, SOCK_STREAM, 0);

    if (s < 0 || connect(s, (struct sockaddr *)&peer, sizeof(peer)))
        fail("connect");
    for (uint64_t at = 0; at < bytes;) {
        size_t n = bytes - at < sizeof(buf) ? (size_t)(bytes - at) : sizeof(buf);
        for (size_t i = 0; i < n; i++)
            buf[i] = pattern(at + i);
        ssize_t sent = write(s, buf, n);
        if (sent <= 0)
            fail("send");
        at += (uint64_t)sent;
    }
    shutdown(s, SHUT_WR);
    ssize_t n = read(s, buf, sizeof(buf) - 1);
    if (n < 0)
        fail("answer");
    buf[n] = 0;
    printf("answer: %s\n", (char *)buf);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "cid"))
        return own_cid();
    if (argc == 3 && !strcmp(argv[1], "take"))
        return take((unsigned)atoi(argv[2]));
    if (argc == 5 && !strcmp(argv[1], "send"))
        return give((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]), strtoull(argv[4], NULL, 10));
    printf("usage: vsock cid | take PORT | send CID PORT BYTES\n");
    return 1;
}
