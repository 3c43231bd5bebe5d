/*
 * The load: N connections, each sends a message, waits for its echo, sends again.
 *
 * It is written in C because a generator in Python would be slower than the
 * servers it measures. It prints nothing: it counts echoes, and how long they took,
 * into memory it shares with the harness, which reads that, the time and both
 * processes' CPU time at the same instant.
 *
 * Per message it makes one recv() and one send(); epoll_wait() is shared by
 * all the connections that are ready. No call is made that would only find out
 * that there is nothing to do: a closed loop knows how many bytes are due. The
 * clock is looked at once per message, which is not a system call.
 *
 * Every byte that comes back is counted, and every eighth message of each
 * connection, from its first, is compared. All messages are windows into one
 * block of pseudo-random bytes, each starting elsewhere, so a server that drops,
 * repeats, swaps or damages bytes is caught, and neither copying nor stamping
 * messages is needed. The other messages are dropped inside the kernel
 * (MSG_TRUNC): copying them out would be most of the work once they are long.
 *
 * Compiled with -DTLS the connections speak TLS, and every message is copied out. The
 * handshake is a part of sending the first one.
 *
 * Compiled with -DHTTP a message is a request by HTTP/1.1, always the same, and what comes
 * back is an answer instead of an echo.
 *
 * Nobody sends a second message before everybody has had the echo of the first.
 *
 * usage: loadgen tcp|udp|unix ADDRESS CONNECTIONS SIZE MESSAGES COUNTER_FD ACTIVE keep|renew
 * ADDRESS is a port of the loopback, or the name of a Unix socket in Linux' own
 * namespace. Each connection rests after MESSAGES messages, or never if that is 0; all
 * but ACTIVE of them rest after the first. With `renew` each message but the first goes
 * over a new connection, for which the old one is closed; its time then begins before
 * the connection is made. It runs until it is killed; it exits by itself only to report
 * an error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
#endif

enum { MAX_EVENTS = 1024, COMPARE_EVERY = 8 };

#ifdef HTTP
enum { WINDOWS = 1 };
static unsigned char REQUEST[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/* The same text is made in servers/_http.py. */
static unsigned char ANSWER[] = "HTTP/1.1 200 \r\nContent-Length: 13\r\n\r\nHello, world\n";
#else
enum { WINDOWS = 256 };
#endif

/* Nanoseconds fall into buckets of 1/32 of a power of two. */
enum { BUCKET_BITS = 5, BUCKETS = 64 << BUCKET_BITS };

/* Machines differ in their default; some (BBR) pace what they send with timers.
 * This one is always there and does nothing as long as no packet is lost. */
static const char CONGESTION_CONTROL[] = "reno";

/* What the harness sees; its layout is repeated in harness/counters.py. */
struct counters {
    volatile uint64_t messages;        /* echoes that came back whole, but for the first ones */
    volatile uint64_t answered;        /* connections that have had their first echo */
    volatile uint64_t taken[BUCKETS];  /* how many echoes took how long */
};

struct connection {
    int fd;
    uint32_t number; /* of the current message */
    uint32_t window; /* where in `bytes` it starts */
    size_t sent;
    size_t received;
    uint64_t began; /* when the current message was begun */
#ifdef TLS
    SSL *ssl;
#endif
};

/* Closed connections keep their port for a minute, so that there are not enough of them
 * for one address; the loopback has many. */
enum { SOURCES = 250 };

static union {
    struct sockaddr any;
    struct sockaddr_in ip;
    struct sockaddr_un local;
} server;
static socklen_t server_length;
static int type; /* of socket */
static int epoll;

static struct connection *connections;
static size_t count;  /* of connections */
static size_t active; /* how many of them go on after their first message */
static int renew;     /* make a connection for each message */
static size_t size;        /* of a message */
static size_t answer_size; /* of what comes back */
static uint32_t limit;       /* messages per connection, or 0 */
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

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void count_time(uint64_t nanoseconds)
{
    int shift = 0;
    if (nanoseconds >> BUCKET_BITS)
        shift = 63 - __builtin_clzll(nanoseconds) - BUCKET_BITS;
    /* With a shift the value keeps BUCKET_BITS + 1 bits, whose first one is set. */
    counters->taken[((uint64_t)shift << BUCKET_BITS) + (nanoseconds >> shift)]++;
}

#ifdef HTTP
static void fill_bytes(void)
{
    bytes = REQUEST;
    size = sizeof REQUEST - 1;
    answer_size = sizeof ANSWER - 1;
    inbox = malloc(answer_size);
    if (!inbox)
        fail("malloc");
}

/* How many bytes are to come back for what has been sent, and which. */
static size_t expected(const struct connection *c)
{
    return c->sent == size ? answer_size : 0;
}

static const unsigned char *answer(const struct connection *c)
{
    (void)c;
    return ANSWER;
}
#else
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
    answer_size = size;
}

static size_t expected(const struct connection *c)
{
    return c->sent;
}

static const unsigned char *answer(const struct connection *c)
{
    return bytes + c->window;
}
#endif

/* Both transports return how many bytes went through, 0 at the end, and -1 with EAGAIN
 * when the connection has to be waited for. */
#ifdef TLS
static const int SHORT_READ_DRAINS = 0; /* a record ends where it likes */

static ssize_t moved(struct connection *c, int n)
{
    if (n > 0)
        return n;
    switch (SSL_get_error(c->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        reject("broke the TLS connection");
        return 0;
    }
}

static ssize_t put(struct connection *c, const unsigned char *data, size_t length)
{
    return moved(c, SSL_write(c->ssl, data, (int)length));
}

static ssize_t take(struct connection *c, size_t due, int compare)
{
    (void)compare;
    return moved(c, SSL_read(c->ssl, inbox, (int)due));
}

static void begin_tls(struct connection *c)
{
    static SSL_CTX *context;
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
    }
    c->ssl = SSL_new(context);
    if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
        fail("SSL_new");
    SSL_set_connect_state(c->ssl);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
}

static void end_tls(struct connection *c)
{
    SSL_shutdown(c->ssl); /* says that this is the end, and does not wait for the answer */
    SSL_free(c->ssl);
}
#else
static const int SHORT_READ_DRAINS = 1;

static ssize_t put(struct connection *c, const unsigned char *data, size_t length)
{
    return send(c->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t take(struct connection *c, size_t due, int compare)
{
    return recv(c->fd, inbox, due, MSG_DONTWAIT | (compare ? 0 : MSG_TRUNC));
}

static void begin_tls(struct connection *c)
{
    (void)c;
}

static void end_tls(struct connection *c)
{
    (void)c;
}
#endif

/* Sends what is left of the current message, or as much as fits. */
static void push(struct connection *c)
{
    while (c->sent < size) {
        ssize_t n = put(c, bytes + c->window + c->sent, size - c->sent);
        if (n < 0) {
            if (errno == EAGAIN)
                return;
            fail("send");
        }
        c->sent += (size_t)n;
    }
}

static void next_message(struct connection *c, uint64_t when)
{
    c->number++;
    c->window = (c->window + 1) % WINDOWS;
    c->sent = c->received = 0;
    c->began = when;
    push(c);
}

/* Takes what came back; returns whether the whole echo is in. */
static int pull(struct connection *c)
{
    int compare = c->number % COMPARE_EVERY == 0;
    while (c->received < expected(c)) {
        size_t due = expected(c) - c->received;
        ssize_t n = take(c, due, compare);
        if (n < 0) {
            if (errno == EAGAIN)
                return 0;
            fail("recv");
        }
        if (n == 0)
            reject("closed a connection");
        if (compare && memcmp(inbox, answer(c) + c->received, (size_t)n) != 0)
            reject("sent back other bytes than it should");
        c->received += (size_t)n;
        if ((size_t)n < due && SHORT_READ_DRAINS)
            return 0; /* drained: the next byte is a new edge */
    }
    return c->received == answer_size;
}

static int resting(const struct connection *c)
{
    return limit && c->received == answer_size && c->number + 1 == limit;
}

static void make_prompt(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION_CONTROL,
                   strlen(CONGESTION_CONTROL)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        fail("setsockopt");
}

static void come_from_another_address(int fd)
{
    static uint32_t turn;
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;

    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % SOURCES);
    /* The port is chosen when it is known where to, so that it may be in use elsewhere. */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        fail("bind");
}

static void open_connection(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int family = server.any.sa_family;

    c->fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("socket");
    if (family == AF_INET && type == SOCK_STREAM)
        make_prompt(c->fd);
    if (family == AF_INET && renew)
        come_from_another_address(c->fd);
    if (connect(c->fd, &server.any, server_length) < 0)
        fail("connect");
    begin_tls(c);
    /* Edge-triggered and registered once: EPOLLOUT only reports when a send had
     * found the socket full, so it costs nothing until then. */
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl");
}

static void go_on(struct connection *c, uint64_t when)
{
    if (renew) {
        end_tls(c);
        close(c->fd); /* which also takes it out of the epoll set */
        open_connection(c);
    }
    next_message(c, when);
}

/* The first echo of a connection is in: the others begin when it is the last one. Else those
 * that were accepted early would keep the server from accepting the rest. */
static void on_answer(void)
{
    counters->answered++;
    if (counters->answered < count)
        return;
    for (size_t i = 0; i < active; i++)
        if (!resting(&connections[i]))
            go_on(&connections[i], now());
}

static void on_event(struct connection *c)
{
    if (c->received == answer_size)
        return; /* resting, or waiting for the others' first echo */
    push(c);
    if (!pull(c))
        return;
    if (c->number == 0) {
        on_answer();
        return;
    }
    uint64_t when = now();
    count_time(when - c->began);
    counters->messages++;
    if (!resting(c))
        go_on(c, when);
}

static void find_server(const char *transport, const char *address)
{
    type = strcmp(transport, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
    if (strcmp(transport, "unix") == 0) {
        size_t length = strlen(address);
        if (length >= sizeof server.local.sun_path)
            reject("has too long a name");
        server.local.sun_family = AF_UNIX;
        memcpy(server.local.sun_path + 1, address, length); /* after a zero */
        server_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    } else {
        server.ip.sin_family = AF_INET;
        server.ip.sin_port = htons((uint16_t)atoi(address));
        server.ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        server_length = sizeof server.ip;
    }
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr,
                "usage: %s tcp|udp|unix ADDRESS CONNECTIONS SIZE MESSAGES COUNTER_FD ACTIVE "
                "keep|renew\n",
                argv[0]);
        return 2;
    }
    find_server(argv[1], argv[2]);
    count = strtoul(argv[3], NULL, 10);
    size = strtoul(argv[4], NULL, 10);
    limit = (uint32_t)strtoul(argv[5], NULL, 10);
    active = strtoul(argv[7], NULL, 10);
    renew = strcmp(argv[8], "renew") == 0;

    counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[6]), 0);
    if (counters == MAP_FAILED)
        fail("mmap");
    fill_bytes();

    connections = calloc(count, sizeof *connections);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll < 0)
        fail("start");
    for (size_t i = 0; i < count; i++) {
        open_connection(&connections[i]);
        connections[i].window = (uint32_t)(i * 37 % WINDOWS); /* neighbours differ */
    }
    for (size_t i = 0; i < count; i++) {
        connections[i].began = now();
        push(&connections[i]);
    }

    for (;;) {
        static struct epoll_event events[MAX_EVENTS];
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++)
            on_event(events[i].data.ptr);
    }
}
