/*
 * The load: N connections, each sends a message, waits for its echo, sends again.
 *
 * It is written in C because a generator in Python would be slower than the
 * servers it measures. It never looks at a clock and prints nothing: it counts
 * echoes into memory it shares with the harness, which reads the count, the
 * time and both processes' CPU time at the same instant.
 *
 * Per message it makes one recv() and one send(); epoll_wait() is shared by
 * all the connections that are ready. No call is made that would only find out
 * that there is nothing to do: a closed loop knows how many bytes are due.
 *
 * Every byte that comes back is counted, and every eighth message of each
 * connection, from its first, is compared. All messages are windows into one
 * block of pseudo-random bytes, each starting elsewhere, so a server that drops,
 * repeats, swaps or damages bytes is caught, and neither copying nor stamping
 * messages is needed. The other messages are dropped inside the kernel
 * (MSG_TRUNC): copying them out would be most of the work once they are long.
 *
 * usage: loadgen PORT CONNECTIONS SIZE COUNTER_FD
 * It runs until it is killed; it exits by itself only to report an error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 1024, WINDOWS = 256, COMPARE_EVERY = 8 };

/* Machines differ in their default; some (BBR) pace what they send with timers.
 * This one is always there and does nothing as long as no packet is lost. */
static const char CONGESTION_CONTROL[] = "reno";

/* What the harness sees; its layout is repeated in harness/measure.py. */
struct counters {
    volatile uint64_t messages; /* echoes that came back whole */
    volatile uint64_t answered; /* connections that have had their first echo */
};

struct connection {
    int fd;
    uint32_t number; /* of the current message */
    uint32_t window; /* where in `bytes` it starts */
    size_t sent;
    size_t received;
};

static size_t size;
static unsigned char *bytes; /* size + WINDOWS pseudo-random bytes */
static unsigned char *inbox; /* what the last recv() brought */
static struct counters *counters;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void reject(const char *what)
{
    fprintf(stderr, "the server %s\n", what);
    exit(1);
}

static void fill_bytes(void)
{
    uint64_t state = 88172645463325252u;
    bytes = malloc(size + WINDOWS);
    inbox = malloc(size);
    if (!bytes || !inbox)
        fail("malloc");
    for (size_t i = 0; i < size + WINDOWS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (unsigned char)(state >> 32);
    }
}

/* Sends what is left of the current message, or as much as fits. */
static void push(struct connection *c)
{
    while (c->sent < size) {
        ssize_t n = send(c->fd, bytes + c->window + c->sent, size - c->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EAGAIN)
                return;
            fail("send");
        }
        c->sent += (size_t)n;
    }
}

static void next_message(struct connection *c)
{
    c->number++;
    c->window = (c->window + 1) % WINDOWS;
    c->sent = c->received = 0;
    push(c);
}

/* Takes what came back; returns whether the whole echo is in. */
static int pull(struct connection *c)
{
    int compare = c->number % COMPARE_EVERY == 0;
    while (c->received < c->sent) {
        size_t due = c->sent - c->received;
        ssize_t n = recv(c->fd, inbox, due, MSG_DONTWAIT | (compare ? 0 : MSG_TRUNC));
        if (n < 0) {
            if (errno == EAGAIN)
                return 0;
            fail("recv");
        }
        if (n == 0)
            reject("closed a connection");
        if (compare && memcmp(inbox, bytes + c->window + c->received, (size_t)n) != 0)
            reject("sent back bytes that differ from those it was sent");
        c->received += (size_t)n;
        if ((size_t)n < due)
            return 0; /* drained: the next byte is a new edge */
    }
    return c->received == size;
}

static void on_event(struct connection *c)
{
    push(c);
    if (!pull(c))
        return;
    counters->messages++;
    if (c->number == 0)
        counters->answered++;
    next_message(c);
}

static void open_connection(struct connection *c, int port, int epoll)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("socket");
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION_CONTROL,
                   strlen(CONGESTION_CONTROL)) < 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        fail("setsockopt");
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    /* Edge-triggered and registered once: EPOLLOUT only reports when a send had
     * found the socket full, so it costs nothing until then. */
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s PORT CONNECTIONS SIZE COUNTER_FD\n", argv[0]);
        return 2;
    }
    int port = atoi(argv[1]);
    size_t count = strtoul(argv[2], NULL, 10);
    size = strtoul(argv[3], NULL, 10);

    counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[4]), 0);
    if (counters == MAP_FAILED)
        fail("mmap");
    fill_bytes();

    struct connection *connections = calloc(count, sizeof *connections);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll < 0)
        fail("start");
    for (size_t i = 0; i < count; i++) {
        open_connection(&connections[i], port, epoll);
        connections[i].window = (uint32_t)(i * 37 % WINDOWS); /* neighbours differ */
    }
    for (size_t i = 0; i < count; i++)
        push(&connections[i]);

    for (;;) {
        static struct epoll_event events[MAX_EVENTS];
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++)
            on_event(events[i].data.ptr);
    }
}
