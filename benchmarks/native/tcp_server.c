/*
 * The yardstick: an echo server that does nothing but the system calls.
 *
 * One thread, epoll, edge-triggered, each socket registered once. A message
 * costs one recv() and one send(); a read that did not fill the buffer has
 * drained the socket, so the recv() that would only return EAGAIN is saved.
 * It handles what a real server must: short writes (the rest waits for
 * EPOLLOUT, and nothing more is read from that connection meanwhile), clients
 * that leave, and clients that never stop sending (they get a bounded turn).
 *
 * usage: tcp_server [unix]
 * It prints "ADDRESS DESCRIPTION" and serves until it is killed. The address is a port,
 * or the name of a Unix socket in Linux' own namespace, where no file is left over.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MAX_EVENTS = 1024,
    BACKLOG = 4096,
    BUFFER = 128 * 1024, /* one for all connections, so it stays in the cache */
    READS_PER_TURN = 16,
};

/* As in loadgen.c and servers/_listener.py: accepted sockets inherit it. */
static const char CONGESTION_CONTROL[] = "reno";

static const unsigned int INTEREST = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

struct connection {
    int fd;
    unsigned char *unsent; /* NULL, or what a short write left over */
    size_t start, end;     /* the part of `unsent` still to go */
};

static unsigned char buffer[BUFFER];
static int epoll;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void drop(struct connection *c)
{
    close(c->fd); /* which also takes it out of the epoll set */
    free(c->unsent);
    free(c);
}

/* Returns how much was taken (perhaps 0), or -1 if the connection is broken. */
static ssize_t send_some(int fd, const unsigned char *data, size_t length)
{
    ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

/* Sends `length` bytes of the buffer; keeps those the socket does not take. */
static int echo(struct connection *c, size_t length)
{
    ssize_t n = send_some(c->fd, buffer, length);
    if (n < 0)
        return -1;
    if ((size_t)n < length) {
        size_t rest = length - (size_t)n;
        c->unsent = malloc(rest);
        if (!c->unsent)
            return -1;
        memcpy(c->unsent, buffer + n, rest);
        c->start = 0;
        c->end = rest;
    }
    return 0;
}

static int flush(struct connection *c)
{
    ssize_t n = send_some(c->fd, c->unsent + c->start, c->end - c->start);
    if (n < 0)
        return -1;
    c->start += (size_t)n;
    if (c->start == c->end) {
        free(c->unsent);
        c->unsent = NULL;
    }
    return 0;
}

static void serve(struct connection *c, unsigned int events)
{
    if (c->unsent && flush(c) < 0) {
        drop(c);
        return;
    }
    for (int reads = 0; !c->unsent; reads++) {
        if (reads == READS_PER_TURN) {
            /* Asking again raises the edge again, behind the others' events. */
            struct epoll_event again = {.events = INTEREST, .data.ptr = c};
            if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &again) < 0)
                fail("epoll_ctl");
            return;
        }
        ssize_t n = recv(c->fd, buffer, BUFFER, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || echo(c, (size_t)n) < 0) {
            drop(c);
            return;
        }
        /* Drained, unless the end of the stream is already behind it: that edge
         * has been reported in these very events and will not come again. */
        if (n < BUFFER && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
            return;
    }
    /* A short write stopped the reading before a drained socket was seen.
     * EPOLLOUT will come back here, and the loop will read on. */
}

static void accept_all(int listener)
{
    for (;;) {
        int on = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED)
                return;
            fail("accept4");
        }
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            fail("calloc");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = INTEREST, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
}

static void announce(const char *address, int length)
{
    printf("%.*s C, epoll, edge-triggered\n", length, address);
    fflush(stdout);
}

static int open_unix_listener(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    /* Without a name the system chooses one, which begins with a zero. */
    if (listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address.sun_family) < 0 ||
        listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    announce(address.sun_path + 1, (int)(length - offsetof(struct sockaddr_un, sun_path)) - 1);
    return listener;
}

static int open_listener(void)
{
    char port[8];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, CONGESTION_CONTROL,
                   strlen(CONGESTION_CONTROL)) < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    announce(port, snprintf(port, sizeof port, "%d", ntohs(address.sin_port)));
    return listener;
}

int main(int argc, char **argv)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("epoll_create1");
    int unix_socket = argc > 1 && strcmp(argv[1], "unix") == 0;
    int listener = unix_socket ? open_unix_listener() : open_listener();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll_ctl");

    for (;;) {
        static struct epoll_event events[MAX_EVENTS];
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(listener);
            else
                serve(events[i].data.ptr, events[i].events);
        }
    }
}
