/*
 * The yardstick: a UDP echo server that does nothing but the system calls, two for
 * each datagram.
 *
 * usage: udp_server
 * It prints "PORT DESCRIPTION" and serves until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static unsigned char buffer[65536];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        fail("bind");
    printf("%d C\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        struct sockaddr_in sender;
        length = sizeof sender;
        ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&sender, &length);
        if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
            fail("recvfrom");
        if (n >= 0 && sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&sender, length) < 0 &&
            errno != EINTR && errno != ECONNREFUSED)
            fail("sendto");
    }
}
