/* A small fast MCP server for benchmarks and load tests: one thread, epoll, keep-alive, JSON replies on loopback.
 *
 *     upstream [-p PORT] [-s BYTES]      port 0 (the default) takes a free one; the address is printed on standard output
 *
 * It answers tools/call with a text of BYTES (or of N for the path /mcp/N), initialize and tools/list with the least a
 * client needs, notifications with 202, other methods than POST with 405. A call of the tool "hold" is not answered until
 * GET /release, which is how tests keep a request in flight; GET /held says how many wait so, GET /served how many POSTs
 * have come. It reads what a correct client sends and nothing else: no chunked bodies. It is no example of how to read HTTP.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 65536, CHUNK = 65536, MAX_REQUEST = 8 << 20, MAX_REPLY_TEXT = 8 << 20 };

struct connection {
    int fd;
    char *in;
    size_t in_length, in_capacity;
    char *out;
    size_t out_length, out_sent, out_capacity;
    int held, waits_for_write, closes;
    char held_id[256];
};

static struct connection *connections[MAX_CONNECTIONS];
static int poller;
static size_t default_size = 200;
static unsigned held_connections;
static unsigned long served_posts;
static char filler[MAX_REPLY_TEXT];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *grow(void *memory, size_t *capacity, size_t needed) {
    if (needed <= *capacity) return memory;
    size_t larger = *capacity ? *capacity : 4096;
    while (larger < needed) larger *= 2;
    memory = realloc(memory, larger);
    if (!memory) die("realloc");
    *capacity = larger;
    return memory;
}

static void drop(struct connection *c) {
    connections[c->fd] = NULL;
    held_connections -= c->held;
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void append(struct connection *c, const char *bytes, size_t length) {
    c->out = grow(c->out, &c->out_capacity, c->out_length + length);
    memcpy(c->out + c->out_length, bytes, length);
    c->out_length += length;
}

static void append_text(struct connection *c, const char *text) { append(c, text, strlen(text)); }

/* Head and both ends of the body around `filler_length` bytes of filler. */
static void reply(struct connection *c, const char *status, const char *start, size_t filler_length, const char *end) {
    char head[256];
    size_t body = strlen(start) + filler_length + strlen(end);
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s%sContent-Length: %zu\r\n\r\n", status,
             body ? "Content-Type: application/json\r\n" : "", c->closes ? "Connection: close\r\n" : "", body);
    append_text(c, head);
    append_text(c, start);
    append(c, filler, filler_length);
    append_text(c, end);
}

/* The bytes of the top-level id as the client wrote them, or nothing. Finds the first member of that name. */
static int find_id(const char *body, size_t length, char *id, size_t room) {
    const char *at = memmem(body, length, "\"id\":", 5);
    if (!at) return 0;
    const char *end = body + length;
    at += 5;
    while (at < end && *at == ' ') at++;
    const char *from = at;
    if (at < end && *at == '"') {
        for (at++; at < end && *at != '"'; at++)
            if (*at == '\\') at++;
        at++;
    } else {
        while (at < end && *at != ',' && *at != '}' && *at != ' ') at++;
    }
    if (at > end || (size_t)(at - from) >= room) return 0;
    memcpy(id, from, at - from);
    id[at - from] = 0;
    return 1;
}

static int contains(const char *body, size_t length, const char *text) {
    return memmem(body, length, text, strlen(text)) != NULL;
}

static void result(struct connection *c, const char *id, const char *members, size_t filler_length, const char *end) {
    char start[1024];
    snprintf(start, sizeof start, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"resultType\":\"complete\",%s", id, members);
    reply(c, "200 OK", start, filler_length, end);
}

static void text_result(struct connection *c, const char *id, size_t size) {
    result(c, id, "\"content\":[{\"type\":\"text\",\"text\":\"", size, "\"}],\"isError\":false}}");
}

static int flush_out(struct connection *c);

static void release_all(void) {
    for (int fd = 0; fd < MAX_CONNECTIONS; fd++) {
        struct connection *c = connections[fd];
        if (!c || !c->held) continue;
        c->held = 0;
        held_connections--;
        text_result(c, c->held_id, default_size);
        flush_out(c);
    }
}

/* What tests ask. */
static void answer_get(struct connection *c, const char *head) {
    char number[32] = "";
    if (strncmp(head, "GET /held ", 10) == 0) snprintf(number, sizeof number, "%u", held_connections);
    else if (strncmp(head, "GET /served ", 12) == 0) snprintf(number, sizeof number, "%lu", served_posts);
    else if (strncmp(head, "GET /release ", 13) == 0) release_all();
    else {
        append_text(c, "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    reply(c, "200 OK", number, 0, "");
}

static void answer(struct connection *c, const char *head, const char *body, size_t length) {
    char id[256];
    if (strncmp(head, "POST ", 5) != 0) {
        answer_get(c, head);
        return;
    }
    served_posts++;
    if (!find_id(body, length, id, sizeof id)) {
        reply(c, "202 Accepted", "", 0, "");
    } else if (contains(body, length, "\"initialize\"")) {
        result(c, id, "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
                      "\"serverInfo\":{\"name\":\"upstream\",\"version\":\"1\"}}}", 0, "");
    } else if (contains(body, length, "\"tools/list\"")) {
        result(c, id, "\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}],"
                      "\"ttlMs\":0,\"cacheScope\":\"private\"}}", 0, "");
    } else if (contains(body, length, "\"hold\"")) {
        strcpy(c->held_id, id);
        c->held = 1;
        held_connections++;
    } else {
        const char *path = head + 5;
        size_t size = default_size;
        if (strncmp(path, "/mcp/", 5) == 0) size = strtoul(path + 5, NULL, 10);
        text_result(c, id, size > sizeof filler ? sizeof filler : size);
    }
}

/* Answers every complete request in the buffer; 0 if the connection is to be closed. */
static int serve(struct connection *c) {
    size_t at = 0;
    while (!c->held && !c->closes && at < c->in_length) {
        char *head = c->in + at;
        char *end = memmem(head, c->in_length - at, "\r\n\r\n", 4);
        if (!end) break;
        size_t head_length = end + 4 - head, body_length = 0;
        *end = 0;
        char *field = strcasestr(head, "\r\ncontent-length:");
        if (field) body_length = strtoul(field + 17, NULL, 10);
        if (strcasestr(head, "\r\ntransfer-encoding:") || body_length > MAX_REQUEST) return 0;
        if (c->in_length - at < head_length + body_length) {
            *end = '\r';
            break;
        }
        c->closes = strcasestr(head, "\r\nconnection: close") != NULL;
        answer(c, head, head + head_length, body_length);
        at += head_length + body_length;
    }
    memmove(c->in, c->in + at, c->in_length - at);
    c->in_length -= at;
    return 1;
}

static int flush_out(struct connection *c) {
    while (c->out_sent < c->out_length) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) return 0;
        c->out_sent += n;
    }
    int waits = c->out_sent < c->out_length;
    if (!waits) c->out_sent = c->out_length = 0;
    if (waits != c->waits_for_write) {
        struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.fd = c->fd};
        if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0) die("epoll_ctl");
        c->waits_for_write = waits;
    }
    return 1;
}

static void accept_all(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MAX_CONNECTIONS) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        connections[fd] = c;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    }
}

static void turn(struct connection *c, unsigned events) {
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        c->in = grow(c->in, &c->in_capacity, c->in_length + CHUNK);
        ssize_t n = recv(c->fd, c->in + c->in_length, CHUNK, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            drop(c);
            return;
        }
        if (n > 0) c->in_length += n;
        if (!serve(c)) {
            drop(c);
            return;
        }
    }
    if (!flush_out(c) || (c->closes && !c->waits_for_write)) drop(c);
}

int main(int argc, char **argv) {
    int port = 0, option;
    while ((option = getopt(argc, argv, "p:s:")) != -1) {
        if (option == 'p') port = atoi(optarg);
        else if (option == 's') default_size = strtoul(optarg, NULL, 10);
        else return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(filler, 'x', sizeof filler);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    if (listen(listener, 4096) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
    printf("http://127.0.0.1:%d/mcp\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) accept_all(listener);
            else if (connections[events[i].data.fd]) turn(connections[events[i].data.fd], events[i].events);
        }
    }
}
