/* What Swift cannot import from Linux's headers by itself: variadic calls, macros with casts, unions. */
#ifndef WEIR_LINUX_SHIM_H
#define WEIR_LINUX_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <arpa/inet.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* epoll_ctl with the user word set: the union of epoll_event is awkward from Swift. */
static inline int weir_epoll_ctl(int epoll, int operation, int descriptor, uint32_t events, uint64_t word) {
    struct epoll_event e;
    e.events = events;
    e.data.u64 = word;
    return epoll_ctl(epoll, operation, descriptor, &e);
}
static inline uint64_t weir_epoll_word(const struct epoll_event *e) { return e->data.u64; }
static inline uint32_t weir_epoll_events(const struct epoll_event *e) { return e->events; }

/* ioctl and fcntl are variadic. */
static inline int weir_fcntl(int descriptor, int command, int argument) { return fcntl(descriptor, command, argument); }
static inline int weir_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }

static inline uint64_t weir_clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static inline int weir_errno(void) { return errno; }

#endif
