/* A small fast MCP server for benchmarks and load tests: one thread, epoll, keep-alive, on loopback.
 *
 *     upstream [-p PORT] [-s BYTES]      port 0 (the default) takes a free one; the address is printed on standard output
 *
 * It answers tools/call with a text of BYTES, initialize and tools/list with the least a client needs, notifications with
 * 202, other methods than POST with 405, always with the id of the request. The path says how:
 *     /mcp, /mcp/N                a JSON text; N bytes of it
 *     /mcp/events, /mcp/events/N  the same as one server-sent event, after which the reply ends
 *     /mcp/stream                 initialize begins a session; a tools/call and a GET are answered with an event stream that
 *                                 stays open and empty
 * A call of the tool "hold" is not answered until GET /release, which is how tests keep a request in flight; GET /held says
 * how many wait so, GET /served how many POSTs have come, GET /streams how many streams are open. It reads what a correct
 * client sends and nothing else: no chunked bodies. It is no example of how to read HTTP.
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
    int held, streaming, waits_for_write, closes, begins_session;
    char held_id[256];
};

static struct connection *connections[MAX_CONNECTIONS];
static int poller;
static size_t default_size = 200;
static unsigned held_connections, open_streams;
static unsigned long served_posts, sessions;
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
    open_streams -= c->streaming;
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

/* Whether the path, which follows the method in `head`, begins so. */
static int path_begins(const char *head, const char *start) {
    const char *path = strchr(head, ' ');
    return path && strncmp(path + 1, start, strlen(start)) == 0;
}

/* Head and both ends of the body around `filler_length` bytes of filler. */
static void reply(struct connection *c, const char *status, const char *start, size_t filler_length, const char *end) {
    char head[256], session[64] = "";
    if (c->begins_session) snprintf(session, sizeof session, "Mcp-Session-Id: %lu\r\n", ++sessions);
    c->begins_session = 0;
    size_t body = strlen(start) + filler_length + strlen(end);
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s%s%sContent-Length: %zu\r\n\r\n", status,
             body ? "Content-Type: application/json\r\n" : "", session, c->closes ? "Connection: close\r\n" : "", body);
    append_text(c, head);
    append_text(c, start);
    append(c, filler, filler_length);
    append_text(c, end);
}

/* Past the string that begins at `at`. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at + 1;
}

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    return at;
}

/* The bytes of the id of the message as the client wrote them, or nothing. An "id" deeper inside is not the message's. */
static int find_id(const char *body, size_t length, char *id, size_t room) {
    const char *end = body + length;
    int depth = 0;
    for (const char *at = body; at < end;) {
        if (*at != '"') {
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
            at++;
            continue;
        }
        const char *name = at;
        at = skip_string(at, end);
        if (depth != 1 || at - name != 4 || memcmp(name, "\"id\"", 4) != 0) continue;
        const char *from = skip_space(at, end);
        if (from >= end || *from != ':') continue;
        from = at = skip_space(from + 1, end);
        if (at < end && *at == '"') at = skip_string(at, end);
        else while (at < end && !strchr(",} \r\n\t", *at)) at++;
        if (at > end || (size_t)(at - from) >= room) return 0;
        memcpy(id, from, at - from);
        id[at - from] = 0;
        return 1;
    }
    return 0;
}

static int contains(const char *body, size_t length, const char *text) {
    return memmem(body, length, text, strlen(text)) != NULL;
}

enum { MEMBERS = 1024 };

static void begin_result(char *start, const char *id, const char *members) {
    snprintf(start, MEMBERS, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"resultType\":\"complete\",%s", id, members);
}

static void result(struct connection *c, const char *id, const char *members, size_t filler_length, const char *end) {
    char start[MEMBERS];
    begin_result(start, id, members);
    reply(c, "200 OK", start, filler_length, end);
}

static const char text_start[] = "\"content\":[{\"type\":\"text\",\"text\":\"", text_end[] = "\"}],\"isError\":false}}";

static void text_result(struct connection *c, const char *id, size_t size) { result(c, id, text_start, size, text_end); }

static void begin_events(struct connection *c) {
    append_text(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n");
    if (c->closes) append_text(c, "Connection: close\r\n");
    append_text(c, "Transfer-Encoding: chunked\r\n\r\n");
}

/* The result as the one event of a stream that then ends. */
static void text_event(struct connection *c, const char *id, size_t size) {
    static const char field[] = "event: message\ndata: ";
    char start[MEMBERS], chunk[32];
    begin_result(start, id, text_start);
    snprintf(chunk, sizeof chunk, "%zx\r\n", strlen(field) + strlen(start) + size + strlen(text_end) + 2);
    begin_events(c);
    append_text(c, chunk);
    append_text(c, field);
    append_text(c, start);
    append(c, filler, size);
    append_text(c, text_end);
    append_text(c, "\n\n\r\n0\r\n\r\n");
}

/* A stream on which nothing comes. */
static void open_stream(struct connection *c) {
    begin_events(c);
    c->streaming = 1;
    open_streams++;
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
    else if (strncmp(head, "GET /streams ", 13) == 0) snprintf(number, sizeof number, "%u", open_streams);
    else if (strncmp(head, "GET /release ", 13) == 0) release_all();
    else if (strncmp(head, "GET /mcp/stream ", 16) == 0) {
        open_stream(c);
        return;
    } else {
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
        c->begins_session = path_begins(head, "/mcp/stream ");
        result(c, id, "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
                      "\"serverInfo\":{\"name\":\"upstream\",\"version\":\"1\"}}}", 0, "");
    } else if (contains(body, length, "\"tools/list\"")) {
        result(c, id, "\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}],"
                      "\"ttlMs\":0,\"cacheScope\":\"private\"}}", 0, "");
    } else if (contains(body, length, "\"hold\"")) {
        strcpy(c->held_id, id);
        c->held = 1;
        held_connections++;
    } else if (path_begins(head, "/mcp/stream ")) {
        open_stream(c);
    } else {
        const char *path = head + 5;
        int as_events = strncmp(path, "/mcp/events", 11) == 0;
        path += as_events ? 11 : 4;
        size_t size = *path == '/' ? strtoul(path + 1, NULL, 10) : default_size;
        if (size > sizeof filler) size = sizeof filler;
        if (as_events) text_event(c, id, size);
        else text_result(c, id, size);
    }
}

/* Answers every complete request in the buffer; 0 if the connection is to be closed. */
static int serve(struct connection *c) {
    size_t at = 0;
    while (!c->held && !c->streaming && !c->closes && at < c->in_length) {
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
    if (!flush_out(c) || (c->closes && !c->streaming && !c->waits_for_write)) drop(c);
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
