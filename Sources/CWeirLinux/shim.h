/* What Swift cannot import from Linux's headers by itself: variadic calls, macros with casts, unions. */
#ifndef WEIR_LINUX_SHIM_H
#define WEIR_LINUX_SHIM_H

/* No _GNU_SOURCE: Swift's Glibc module is built without it, and the compiler refuses two different definitions of fd_set and
   others as soon as a file sees both. What only GNU mode declares is declared below, under its own name. */
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
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* epoll_wait with a timeout in nanoseconds; by number, because glibc before 2.35 does not have it. −1 and ENOSYS without it. */
static inline int weir_epoll_wait_ns(int epoll, struct epoll_event *events, int maximum, int64_t nanoseconds) {
#ifdef SYS_epoll_pwait2
    struct timespec t;
    t.tv_sec = nanoseconds / 1000000000;
    t.tv_nsec = nanoseconds % 1000000000;
    return (int)syscall(SYS_epoll_pwait2, epoll, events, maximum, &t, (void *)0, 0);
#else
    (void)epoll, (void)events, (void)maximum, (void)nanoseconds;
    errno = ENOSYS;
    return -1;
#endif
}

struct sockaddr;
extern int accept4(int descriptor, struct sockaddr *__restrict address, socklen_t *__restrict length, int flags);

/* ioctl and fcntl are variadic. */
static inline int weir_fcntl(int descriptor, int command, int argument) { return fcntl(descriptor, command, argument); }
static inline int weir_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }

static inline uint64_t weir_clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static inline int weir_errno(void) { return errno; }

/* Adds to a counter that several threads share; returns the new value. */
static inline long weir_atomic_add(long *cell, long change) { return __atomic_add_fetch(cell, change, __ATOMIC_ACQ_REL); }

#endif
