// Sockets: making them, and misusing those that a worker holds.
#include "private.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int made(int family, int type, int protocol) { return tried(syscall(SYS_socket, family, type, protocol)); }

ATTEMPT(unix_stream) { return made(AF_UNIX, SOCK_STREAM, 0); }
ATTEMPT(unix_datagram) { return made(AF_UNIX, SOCK_DGRAM, 0); }
ATTEMPT(unix_packet) { return made(AF_UNIX, SOCK_SEQPACKET, 0); }
ATTEMPT(inet_stream) { return made(AF_INET, SOCK_STREAM, 0); }
ATTEMPT(inet_datagram) { return made(AF_INET, SOCK_DGRAM, 0); }
ATTEMPT(inet_ping) { return made(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); }
ATTEMPT(inet_raw) { return made(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
ATTEMPT(inet_multipath) { return made(AF_INET, SOCK_STREAM, 262); }
ATTEMPT(inet_sctp) { return made(AF_INET, SOCK_STREAM, 132); }
ATTEMPT(inet6_stream) { return made(AF_INET6, SOCK_STREAM, 0); }
ATTEMPT(inet6_raw) { return made(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }
ATTEMPT(netlink_route) { return made(AF_NETLINK, SOCK_RAW, 0); }
ATTEMPT(netlink_netfilter) { return made(AF_NETLINK, SOCK_RAW, 12); }
ATTEMPT(netlink_diagnosis) { return made(AF_NETLINK, SOCK_RAW, 4); }
ATTEMPT(packet) { return made(AF_PACKET, SOCK_RAW, 0); }
ATTEMPT(vsock) { return made(40, SOCK_STREAM, 0); }
ATTEMPT(alg) { return made(38, SOCK_SEQPACKET, 0); }
ATTEMPT(bluetooth) { return made(31, SOCK_RAW, 1); }
ATTEMPT(xdp) { return made(44, SOCK_RAW, 0); }
ATTEMPT(key) { return made(15, SOCK_RAW, 2); }
ATTEMPT(pair) {
    int ends[2];
    return tried(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends));
}

static struct sockaddr_in loopback(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

ATTEMPT(connect_held) {
    struct sockaddr_in to = loopback(c->port);
    return tried(connect(c->unconnected, (struct sockaddr *)&to, sizeof to));
}
ATTEMPT(reconnect_held) {
    struct sockaddr to = {.sa_family = AF_UNSPEC};
    return tried(connect(c->stream, &to, sizeof to));
}
ATTEMPT(bind_tcp) {
    struct sockaddr_in at = loopback(0);
    return tried(bind(c->unconnected, (struct sockaddr *)&at, sizeof at));
}
ATTEMPT(bind_udp) {
    struct sockaddr_in at = loopback(0);
    return tried(bind(c->datagram, (struct sockaddr *)&at, sizeof at));
}
ATTEMPT(listen_held) { return tried(listen(c->listener, 16)); }
ATTEMPT(listen_fresh) {
    struct sockaddr_in at = loopback(0);
    (void)at;
    return tried(listen(c->unconnected, 1));
}
ATTEMPT(accept_held) { return tried(accept4(c->listener, NULL, NULL, SOCK_CLOEXEC)); }
ATTEMPT(fast_open_sendto) {
    struct sockaddr_in to = loopback(c->port);
    return tried(sendto(c->unconnected, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to));
}
static int fast_open_message(int socket, uint16_t port) {
    struct sockaddr_in to = loopback(port);
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
    return tried(sendmsg(socket, &message, MSG_FASTOPEN));
}
ATTEMPT(fast_open_sendmsg) { return fast_open_message(c->unconnected, c->port); }
ATTEMPT(fast_open_sendmmsg) {
    struct sockaddr_in to = loopback(c->port);
    struct iovec part = {"x", 1};
    struct mmsghdr message = {.msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1}};
    return tried(syscall(SYS_sendmmsg, c->unconnected, &message, 1, MSG_FASTOPEN));
}
// The way out of a filter that only denies socket and connect: a listener that is shut down is an unconnected socket again.
ATTEMPT(fast_open_listener) {
    if (shutdown(c->listener, SHUT_RDWR) < 0) return -errno;
    return fast_open_message(c->listener, c->port);
}
// A listener that is shut is shut for its owner's successors too. (The sending half of a connection is a control.)
ATTEMPT(shut_listener_reading) { return tried(shutdown(c->listener, SHUT_RD)); }
ATTEMPT(shut_listener) { return tried(shutdown(c->listener, SHUT_RDWR)); }
ATTEMPT(send_to_address) {
    struct sockaddr_in to = loopback(9);
    return tried(sendto(c->datagram, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
}
ATTEMPT(connect_abstract) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int socket = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    if (socket < 0) return -errno;
    size_t length = strlen(c->abstract);
    memcpy(to.sun_path + 1, c->abstract, length);
    return tried(connect(socket, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
}
ATTEMPT(attach_filter) {
    struct sock_filter pass = {BPF_RET | BPF_K, 0, 0, 0xffffffff};
    struct sock_fprog program = {1, &pass};
    return tried(setsockopt(c->stream, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}
ATTEMPT(bind_device) { return tried(setsockopt(c->datagram, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3)); }
ATTEMPT(attach_protocol) { return tried(setsockopt(c->stream, IPPROTO_TCP, 31, "tls", 3)); }
ATTEMPT(read_netfilter) {
    char buffer[84] = "filter";
    socklen_t length = sizeof buffer;
    return tried(getsockopt(c->datagram, IPPROTO_IP, 64, buffer, &length));
}
ATTEMPT(list_interfaces) {
    char buffer[512];
    struct ifconf list = {.ifc_len = sizeof buffer, .ifc_buf = buffer};
    return tried(ioctl(c->datagram, SIOCGIFCONF, &list));
}

#define N(name, function, allowed, abi) {"network", name, function, allowed, abi}
const escape_action network_actions[] = {
    N("socket AF_UNIX stream", unix_stream, DIALER, 0),
    N("socket AF_UNIX datagram", unix_datagram, DIALER, 0),
    N("socket AF_UNIX seqpacket", unix_packet, 0, 0),
    N("socket AF_INET TCP", inet_stream, DIALER, 0),
    N("socket AF_INET UDP", inet_datagram, DIALER, 0),
    N("socket AF_INET ping", inet_ping, 0, 0),
    N("socket AF_INET raw", inet_raw, 0, 0),
    N("socket AF_INET MPTCP", inet_multipath, 0, 0),
    N("socket AF_INET SCTP", inet_sctp, 0, 0),
    N("socket AF_INET6 TCP", inet6_stream, DIALER, 0),
    N("socket AF_INET6 raw", inet6_raw, 0, 0),
    N("socket AF_NETLINK route", netlink_route, DIALER, 0),
    N("socket AF_NETLINK netfilter", netlink_netfilter, 0, 0),
    N("socket AF_NETLINK sock_diag", netlink_diagnosis, 0, 0),
    N("socket AF_PACKET", packet, 0, 0),
    N("socket AF_VSOCK", vsock, 0, 0),
    N("socket AF_ALG", alg, 0, 0),
    N("socket AF_BLUETOOTH", bluetooth, 0, 0),
    N("socket AF_XDP", xdp, 0, 0),
    N("socket AF_KEY", key, 0, 0),
    N("socketpair", pair, 0, 0),
    N("connect a held socket", connect_held, DIALER, 0),
    N("connect to nowhere (disconnect)", reconnect_held, DIALER, 0),
    N("connect to an abstract socket", connect_abstract, 0, 6),
    N("bind TCP", bind_tcp, 0, 4),
    N("bind UDP", bind_udp, DIALER, 0),
    N("listen on a held listener", listen_held, 0, 0),
    N("listen on a fresh socket", listen_fresh, 0, 0),
    N("shut the reading half of a listener", shut_listener_reading, 0, 0),
    N("shut both halves of a listener", shut_listener, 0, 0),
    N("accept", accept_held, ACCEPTING, 0),
    N("TCP fast open by sendto", fast_open_sendto, 0, 0),
    N("TCP fast open by sendmsg", fast_open_sendmsg, 0, 0),
    N("TCP fast open by sendmmsg", fast_open_sendmmsg, 0, 0),
    N("TCP fast open from a listener", fast_open_listener, 0, 0),
    N("sendto an address", send_to_address, DIALER, 0),
    N("setsockopt SO_ATTACH_FILTER", attach_filter, 0, 0),
    N("setsockopt SO_BINDTODEVICE", bind_device, 0, 0),
    N("setsockopt TCP_ULP", attach_protocol, 0, 0),
    N("getsockopt of netfilter", read_netfilter, 0, 0),
    N("ioctl SIOCGIFCONF", list_interfaces, 0, 0),
    {NULL},
};
