/* weir.h - the transform plugin ABI, major version 1.
 *
 * A plugin is a shared library that exports ONE symbol, weir_plugin_v1 (section 4).
 * It links against nothing of Weir: everything it may do is in the tables it is given.
 * Until Weir 1.0 this header may still change; from 1.0 on it only grows (rule 7).
 *
 * THE SEVEN RULES
 *  1 Linear messages.  A message in a hook is LENT.  When the hook returns the host
 *    moves on every message the plugin has not disposed of (pass_to, route, reply, fail,
 *    drop, retry, send) or taken (take).  A taken message is the plugin's until it
 *    disposes of it, exactly once, now or later.  So a transform that only looks or
 *    edits makes no flow call at all.
 *  2 No re-entrancy.  No host function calls into the plugin before it returns; every
 *    completion comes later, from the worker's event loop, exactly once.
 *  3 One worker, one thread.  Each function has a tag.  [worker]: only on the thread of
 *    the worker that owns the handle; hooks of one worker never overlap.  [main]: one
 *    control thread at a time.  [pool]: a thread of the host's pool.  [any]: anywhere.
 *    [worker, in the hook]: on it, and only before the hook that lent the argument returns.
 *  4 Nothing dangles.  Bytes read from a message stay valid until that message is
 *    disposed of (lent ones: until the hook returns) and EDITS DO NOT MOVE THEM.
 *    conn_close comes after every pending completion of that connection.
 *  5 Never block, never do I/O, never start a thread, never read a clock: use the host
 *    (or `blocking`).  The same .so then runs under a deterministic simulator.
 *  6 Each side frees what it allocated.  Bytes and strings passed to the host are copied
 *    during the call unless they lie in a weir_buf that is passed with them; the static
 *    tables of section 3 and their strings are the exception: they live for ever.
 *  7 Growth only.  Structs that start with `size` grow at the end and are read only as
 *    far as the writer's `size` says (WEIR_HAS); the others are frozen.  Constants keep
 *    their values; ignore the ones you do not know.  Anything else is a new extension
 *    id ("weir.metrics/2") or a new entry symbol (weir_plugin_v2).
 *
 * Pointers are never NULL unless they are marked WEIR_NULLABLE.
 */
#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ABI_MAJOR 1
#define WEIR_ABI_MINOR 0

#define WEIR_EXPORT __attribute__((visibility("default")))

/* For clang and Swift.  The pragma covers the outer level of a pointer only: inner levels, and
 * members that are functions which return pointers, are marked one by one. */
#if defined(__clang__)
#define WEIR_NULLABLE _Nullable
#define WEIR_NONNULL _Nonnull
#pragma clang assume_nonnull begin
#else
#define WEIR_NULLABLE
#define WEIR_NONNULL
#endif

/* Does the peer's struct reach as far as this member?  WEIR_HAS(weir_host, h, blocking) */
#define WEIR_HAS(T, p, member) ((p)->size >= offsetof(T, member) + sizeof((p)->member))

/* ------------------------------------------------------------------ 1 basic types */

/* FROZEN.  Bytes that somebody else owns: whoever gives it says how long they live.  Text is
 * UTF-8 and has no NUL at its end.  ptr may be NULL when len is 0. */
typedef struct weir_str {
    const uint8_t *WEIR_NULLABLE ptr;
    size_t len;
} weir_str;

typedef int32_t weir_status;         /* also the class of error that fail() tells a client */
enum {
    WEIR_OK = 0,
    WEIR_E_INVALID = 1,      /* malformed argument, message or configuration */
    WEIR_E_UNSUPPORTED = 2,  /* this host, protocol or message cannot do that */
    WEIR_E_NOT_FOUND = 3,
    WEIR_E_REJECTED = 4,     /* refused by policy: the client must not retry */
    WEIR_E_TIMEOUT = 5,
    WEIR_E_CANCELLED = 6,    /* by cancel(), or because the connection went away */
    WEIR_E_UNAVAILABLE = 7,  /* no upstream connection; may be retried */
    WEIR_E_FULL = 8,         /* above the high watermark */
    WEIR_E_INTERNAL = 9
};

enum { WEIR_LOG_TRACE = 0, WEIR_LOG_DEBUG = 1, WEIR_LOG_INFO = 2, WEIR_LOG_WARN = 3, WEIR_LOG_ERROR = 4 };

/* One parsed field.  A message (or a configuration) is a flat array of these, item 0
 * being the root: no calls to walk it.  The first child of container i is i+1, then
 * follow `next`.  In a MAP the children alternate key, value. */
typedef struct weir_item {           /* FROZEN, 40 bytes */
    uint8_t  type;                   /* WEIR_T_* */
    uint8_t  flags;                  /* WEIR_I_* */
    uint16_t tag;                    /* field number in its protocol, 0: positional */
    uint32_t count;                  /* children of a container (each key and value counts) */
    uint32_t next;                   /* next sibling's index, 0: none */
    uint32_t parent;
    weir_str bytes;                  /* content without framing */
    int64_t  num;                    /* INT, BOOL: the value; FLOAT: its IEEE 754 bits */
} weir_item;
enum {
    WEIR_T_NULL = 0, WEIR_T_BOOL = 1, WEIR_T_INT = 2, WEIR_T_FLOAT = 3, WEIR_T_BYTES = 4, WEIR_T_TEXT = 5,
    WEIR_T_ERROR = 6, WEIR_T_LIST = 7, WEIR_T_MAP = 8, WEIR_T_SET = 9, WEIR_T_STRUCT = 10, WEIR_T_PUSH = 11
};
enum {
    WEIR_I_EDITED = 1                /* bytes differ from the wire */
};
/* The parsed form of one message or configuration; it and its bytes are the host's and live
 * as long as the message (or as the call of configure). */
typedef struct weir_tape {
    uint32_t size;
    uint32_t count;
    const weir_item *items;
} weir_tape;

/* Reference-counted bytes, made by buf_new; the references may be counted on any thread. */
typedef struct weir_buf {
    uint32_t size;
    uint32_t flags;
    uint8_t *ptr;                    /* writable by the creator until it is passed on */
    size_t   len;
} weir_buf;

/* ---------------------------------------------------------------- 2 public handles
 * Owned by the host, read-only to plugins, read without a call.  Never copy the struct. */

typedef struct weir_host   weir_host;
typedef struct weir_site   weir_site;      /* one place in the topology: a transform + its config */
typedef struct weir_worker weir_worker;
typedef struct weir_conn   weir_conn;
typedef struct weir_msg    weir_msg;
typedef struct weir_target weir_target;
typedef struct weir_config weir_config;

/* One event loop; lives until worker_stop of the last site on it has returned. */
struct weir_worker {
    uint32_t size;
    uint32_t index;                  /* worker 0 always exists: let it do the singletons */
    uint32_t count;
    uint32_t log_level;              /* skip building log text below this */
    uint64_t now_ns;                 /* monotonic; refreshed before every hook and completion */
    uint64_t wall_ns;                /* Unix time */
    const weir_host *host;
};

/* One client connection as seen by one chain; lives until conn_close has returned. */
struct weir_conn {
    uint32_t size;
    uint32_t flags;                  /* WEIR_C_* */
    uint64_t id;
    uint16_t protocol;
    uint16_t reserved;
    uint32_t in_flight;              /* requests of this connection not yet answered */
    weir_worker *worker;
    weir_str peer;                   /* "10.1.2.3:51234" */
    weir_str local;
};
enum {
    WEIR_C_TLS = 1,
    WEIR_C_INTERNAL = 2,             /* no client: a sub-chain shared by a worker */
    WEIR_C_CLOSING = 4
};

/* One message; lives until the hook returns (lent) or until it is disposed of (taken, made). */
enum { WEIR_REQUEST = 1, WEIR_RESPONSE = 2, WEIR_PUSH = 3 };
struct weir_msg {
    uint32_t size;
    uint32_t flags;                  /* WEIR_M_* */
    uint64_t id;                     /* unique on its worker; a response has its request's id */
    uint16_t protocol;               /* from protocol() */
    uint16_t kind;                   /* WEIR_REQUEST... */
    uint32_t verb;                   /* from verb(); on a response: the request's */
    weir_status status;              /* not WEIR_OK: the host made this response, and why */
    uint32_t wire_len;
    weir_str raw;                    /* the wire bytes; ptr NULL when edited or built: encode() */
    uint64_t received_ns;
    uint64_t deadline_ns;            /* 0: none.  When it passes the host answers the client and
                                        sets WEIR_M_DEAD; a taken message stays valid */
    weir_conn *WEIR_NULLABLE conn;   /* the client connection, or NULL */
    weir_msg *WEIR_NULLABLE request; /* on a response, with WEIR_F_KEEP_REQUESTS; lent with it */
};
enum {
    WEIR_M_NO_REPLY = 1,             /* one-way request: reply() and fail() on it are no-ops */
    WEIR_M_MORE = 2,                 /* more responses to the same request follow */
    WEIR_M_ERROR = 4,                /* an error in terms of its protocol */
    WEIR_M_LOCAL = 8,                /* made inside the proxy, not received from upstream */
    WEIR_M_EDITED = 16,
    WEIR_M_DEAD = 32,                /* client gone or deadline passed: disposals are no-ops */
    WEIR_M_TXN = 64,                 /* inside a transaction (MULTI...EXEC) */
    WEIR_M_PINNED = 128,             /* must use this client's own upstream connection (SUBSCRIBE,
                                        BLPOP, WATCH...) */
    WEIR_M_UNSENT = 256              /* with a status: the request never left; safe to retry() */
};

/* Where requests can be sent: the rest of the chain, a sub-chain, an upstream.  From target_open:
 * the plugin's until target_close, or until the connection closes that it was bound to. */
struct weir_target {
    uint32_t size;
    uint32_t state;                  /* WEIR_TS_* */
    uint32_t in_flight;
    uint32_t latency_us;             /* moving average; 0 before the first answer */
    uint64_t queued_bytes;
    weir_str name;                   /* "10.0.0.7:6379" or the sub-chain's name */
};
enum { WEIR_TS_IDLE = 0, WEIR_TS_CONNECTING = 1, WEIR_TS_UP = 2, WEIR_TS_DOWN = 3, WEIR_TS_FULL = 4 };

/* ---------------------------------------------------- 3 what the plugin implements */

typedef struct weir_batch {          /* lent, with its messages and tags, until the hook returns */
    uint32_t   size;
    uint32_t   count;
    weir_conn *conn;
    weir_msg *WEIR_NONNULL const *WEIR_NONNULL msgs; /* in the order of the connection */
    uint64_t  *WEIR_NULLABLE tags;   /* with WEIR_F_TAGS: one word per message that is yours; what you
                                        write here for a request comes back here with its response */
} weir_batch;

struct weir_config {                 /* lent, with all that it points to, until configure() returns */
    uint32_t size;
    uint32_t flags;                  /* WEIR_CFG_* */
    const weir_host *host;           /* for ever */
    weir_site *site;                 /* until unconfigure() has returned */
    weir_str   name;                 /* "redis/counter" for messages */
    const weir_tape *values;         /* the configuration, already valid against config_schema,
                                        defaults filled in: no JSON parser needed */
    weir_str   json;                 /* the same as text */
    uint16_t   protocol;             /* of the requests this site will get */
    uint16_t   reserved[3];          /* no struct ends in padding: `size` must tell of growth */
};
enum { WEIR_CFG_CHECK_ONLY = 1 };    /* `weir check`: no worker will start */

enum {
    WEIR_EV_DRAIN = 1,               /* this site is on its way out: finish what is owed */
    WEIR_EV_CLIENT_EOF = 2,          /* the client will send no more; it may still read */
    WEIR_EV_CLIENT_FULL = 3,         /* the client does not read: what you push() piles up */
    WEIR_EV_CLIENT_WRITABLE = 4
};

/* One kind of transform.  Static, immutable, for ever; its strings too.  A missing configure,
 * worker_start or conn_open hands the parent's state down, so a stateless filter is one
 * on_requests.  The states are the plugin's own; the host only hands them back.  Where one of
 * configure, worker_start and conn_open fails, its counterpart is not called. */
typedef struct weir_transform {
    uint32_t    size;
    uint32_t    flags;               /* WEIR_F_* */
    const char *id;                  /* "acme.key-prefix": never changes, never reused */
    const char *version;             /* semver of the transform, for humans */
    const char *summary;
    const char *accepts;             /* protocols of its requests: "resp cql", or "*" */
    const char *emits;               /* what it sends on: "=" the same, "" nothing (a sink),
                                        "resp" it translates */
    const char *requires_ext;        /* extension ids that must exist: "weir.metrics/1 weir.resp/1" */
    const char *config_schema;       /* JSON Schema 2020-12, the subset of docs/schema.md.
                                        Annotations the host acts on:
        "x-weir":"chain"    a sub-chain; instantiated by the host, opened by JSON pointer
        "x-weir":"upstream" an upstream (address, credentials, pool, timeouts): the host's own
                            schema applies too, the plugin need not look inside */

    /* [main] Reads the options; report() what is wrong with them.  *site_state is the plugin's,
     * from here to unconfigure; all workers share it, so it is immutable or thread-safe. */
    weir_status (*WEIR_NULLABLE configure)(const weir_config *c, void *WEIR_NULLABLE *WEIR_NONNULL site_state);
    /* [main] After the last worker_stop: the plugin frees its site state. */
    void (*WEIR_NULLABLE unconfigure)(void *WEIR_NULLABLE site_state);
    /* [worker] Once on each worker, before its first connection.  *worker_state is the plugin's,
     * from here to worker_stop, and only this worker touches it: no locks.  s and w stay valid
     * as long. */
    weir_status (*WEIR_NULLABLE worker_start)(void *WEIR_NULLABLE site_state, weir_site *s, weir_worker *w,
                                              void *WEIR_NULLABLE *WEIR_NONNULL worker_state);
    /* [worker] After the last conn_close on this worker: the plugin cancels its timers, closes its
     * targets and frees its worker state. */
    void (*WEIR_NULLABLE worker_stop)(void *WEIR_NULLABLE worker_state);
    /* [worker] Before the first batch of a connection.  *conn_state is the plugin's, from here to
     * conn_close; c stays valid as long.  A status but WEIR_OK refuses the client. */
    weir_status (*WEIR_NULLABLE conn_open)(void *WEIR_NULLABLE worker_state, weir_conn *c,
                                           void *WEIR_NULLABLE *WEIR_NONNULL conn_state);
    /* [worker] The last call about it, after every completion of it: the plugin frees its state. */
    void (*WEIR_NULLABLE conn_close)(void *WEIR_NULLABLE conn_state);

    /* [worker] Requests on their way up.  Lent: what is not disposed of or taken moves on. */
    void (*WEIR_NULLABLE on_requests)(void *WEIR_NULLABLE conn_state, const weir_batch *b);
    /* [worker] Responses, and pushes, on their way down; lent likewise. */
    void (*WEIR_NULLABLE on_responses)(void *WEIR_NULLABLE conn_state, const weir_batch *b);
    /* [worker] WEIR_EV_*; nothing is lent but c. */
    void (*WEIR_NULLABLE on_event)(void *WEIR_NULLABLE conn_state, weir_conn *c, uint32_t event);
} weir_transform;
enum {
    WEIR_F_KEEP_REQUESTS = 1,        /* give me msg->request in on_responses, and retry() */
    WEIR_F_TAGS = 2                  /* give me batch->tags */
};

/* Static, immutable, for ever; its strings too. */
typedef struct weir_plugin {
    uint32_t    size;
    uint16_t    abi_minor;           /* WEIR_ABI_MINOR of the header it was built with */
    uint16_t    abi_minor_min;       /* the oldest host minor it can run on */
    const char *name;
    const char *version;
    const char *built_with;          /* "weir-swift 1.0, Swift 6.3": shown by `weir plugins info` */
    uint32_t    transform_count;
    uint32_t    reserved;
    const weir_transform *WEIR_NULLABLE const *WEIR_NULLABLE transforms; /* never NULL; the host checks */
    void (*WEIR_NULLABLE shutdown)(void);  /* [main] before the process ends, after every unconfigure */
} weir_plugin;

/* ------------------------------------------------------------------ 4 entry point
 * [main] Called once per process, before anything else of the plugin.  Only returns its static
 * tables, which stay the plugin's and live for ever; NULL, after host->log, refuses.  host lives
 * for ever, too.
 * Optional but recommended: a section ".note.weir" holding the text
 * "weir 1.<minor> <name> <version>\n", which the host reads before it runs any code of the
 * library, so a wrong build is refused with a clear message and no constructors. */
typedef const weir_plugin *WEIR_NULLABLE (*weir_plugin_entry)(const weir_host *host);
WEIR_EXPORT const weir_plugin *WEIR_NULLABLE weir_plugin_v1(const weir_host *host);
#define WEIR_ENTRY_SYMBOL "weir_plugin_v1"
#define WEIR_NOTE_SECTION ".note.weir"

/* --------------------------------------------------------- 5 what the host implements */

typedef struct weir_result {         /* lent, with its messages, until done() returns */
    uint32_t    size;
    weir_status status;
    uint32_t    count;               /* responses, in the order of the requests sent */
    uint32_t    flags;               /* WEIR_M_UNSENT: nothing of it left */
    weir_msg *WEIR_NONNULL const *WEIR_NULLABLE msgs; /* take() one to keep it, or reply() with it */
    weir_str    detail;              /* why, when status is not WEIR_OK */
} weir_result;

/* ctx is the plugin's everywhere; the host only hands it back, once. */
typedef void (*weir_task_fn)(void *WEIR_NULLABLE ctx);
typedef void (*weir_done_fn)(void *WEIR_NULLABLE ctx, const weir_result *r);                 /* [worker] */
/* [worker] Until target_close.  push: NULL but for WEIR_TE_PUSH, which this host does not send yet. */
typedef void (*weir_target_fn)(void *WEIR_NULLABLE ctx, weir_target *t, uint32_t event, weir_msg *WEIR_NULLABLE push);
enum { WEIR_TE_UP = 1, WEIR_TE_DOWN = 2, WEIR_TE_FULL = 3, WEIR_TE_WRITABLE = 4, WEIR_TE_PUSH = 5 };

typedef struct weir_send_opts {      /* the plugin's; read during the call */
    uint32_t size;
    uint32_t flags;                  /* WEIR_SEND_* */
    uint64_t timeout_ns;             /* 0: the target's own */
} weir_send_opts;
enum { WEIR_SEND_DROP_IF_FULL = 1 }; /* WEIR_E_FULL rather than wait: mirrors, caches */

typedef struct weir_target_spec {    /* the plugin's; read during the call */
    uint32_t     size;
    uint32_t     flags;              /* WEIR_TG_* */
    weir_site   *site;
    weir_worker *worker;
    weir_conn   *WEIR_NULLABLE conn; /* NULL: shared by the worker; else bound to, and closed with,
                                        this client connection */
    const char  *ref;                /* JSON pointer in this site's configuration to a value marked
                                        "x-weir":"chain" or "upstream"; "" is the whole of it */
    weir_str     address;            /* upstream: override the address (a discovered node) */
    weir_target_fn WEIR_NULLABLE on_event;
    void        *WEIR_NULLABLE ctx;
} weir_target_spec;
enum { WEIR_TG_EXCLUSIVE = 1 };      /* one connection of its own, not a share of the pool */

enum {
    WEIR_TAKE_ORDERED = 0,           /* what follows it on its connection waits for it at this transform's
                                        exit (protocols that have an order): concurrency, same effects */
    WEIR_TAKE_LOOSE = 1              /* what follows may overtake it; answers are still put in order */
};

struct weir_host {                   /* static, for ever */
    uint32_t    size;
    uint16_t    abi_major, abi_minor;
    const char *name, *version;
    void       *WEIR_NULLABLE impl;  /* the host's own */

    /* ---- general */

    /* [any] A table of section 6, the host's, for ever; NULL: not offered. */
    const void *WEIR_NULLABLE (*WEIR_NONNULL extension)(const weir_host *h, const char *id);
    /* [any] One line for the log; level is WEIR_LOG_*.  The text is copied. */
    void (*log)(const weir_host *h, const weir_site *WEIR_NULLABLE s, int32_t level, weir_str text);
    /* [any] The number of a protocol by its name, "resp"; 0: unknown. */
    uint16_t (*protocol)(const weir_host *h, const char *name);
    /* [any] The number of a command by its name in capitals, "GET"; 0: unknown. */
    uint32_t (*verb)(const weir_host *h, const char *protocol, const char *name);
    /* [any] Its name, the host's, for ever; len 0: unknown. */
    weir_str (*verb_name)(const weir_host *h, uint16_t protocol, uint32_t verb);
    /* [any] len bytes to be filled, not zeroed; the caller owns the one reference.  NULL: no memory. */
    weir_buf *WEIR_NULLABLE (*WEIR_NONNULL buf_new)(const weir_host *h, size_t len);
    /* [any] One reference more, owned by the caller. */
    void (*buf_ref)(weir_buf *b);
    /* [any] Gives the caller's reference back; the last one frees the bytes. */
    void (*buf_unref)(weir_buf *b);

    /* ---- configuration */

    /* [main, in configure] Says what is wrong at path, a JSON pointer in this site's configuration;
     * the host prints file:line for it.  level is WEIR_LOG_*; from ERROR on the site is refused.
     * Path and text are copied. */
    void (*report)(const weir_config *c, int32_t level, const char *path, weir_str text);
    /* [main, in configure] Call the hooks for these verbs only; the rest goes by without a call but
     * never overtakes.  kinds: 1<<WEIR_REQUEST | 1<<WEIR_RESPONSE...; the numbers are copied. */
    weir_status (*interest)(const weir_config *c, uint32_t kinds, const uint32_t *verbs, uint32_t n);

    /* ---- reading and editing a message: framing, lengths and counts are the host's business, and
     * bytes that are not touched are never copied */

    /* [worker] Its tape, the host's, valid as long as m (an edit leaves it as it was); NULL when
     * malformed.  A second call is free. */
    const weir_tape *WEIR_NULLABLE (*WEIR_NONNULL parse)(weir_msg *m);
    /* [worker] Another content for a leaf.  The bytes are copied, or, where they lie in owner, the
     * host takes a reference of its own. */
    weir_status (*set)(weir_msg *m, uint32_t item, weir_str value, weir_buf *WEIR_NULLABLE owner);
    /* [worker] Takes `remove` children of a container out at position `at` and puts a tape of n items
     * there, depth first; their bytes are copied.  Item numbers change: parse again. */
    weir_status (*splice)(weir_msg *m, uint32_t parent, uint32_t at, uint32_t remove,
                          const weir_item *WEIR_NULLABLE items, uint32_t n);
    /* [worker] The wire bytes after the edits, the host's, valid as long as m. */
    weir_str (*encode)(weir_msg *m);

    /* ---- making messages: the caller's until it disposes of them */

    /* [worker] From a tape of n items, depth first; `next` and `parent` need not be set, bytes are
     * copied.  NULL when no such message can be. */
    weir_msg *WEIR_NULLABLE (*WEIR_NONNULL build)(weir_worker *w, uint16_t protocol, uint16_t kind,
                                                  const weir_item *items, uint32_t n);
    /* [worker] From wire bytes, which are copied; NULL when they are not exactly one message. */
    weir_msg *WEIR_NULLABLE (*WEIR_NONNULL build_raw)(weir_worker *w, uint16_t protocol, uint16_t kind,
                                                      weir_str wire);
    /* [worker] Another message of the same content, edits included; shares the bytes.  m stays whose
     * it was. */
    weir_msg *WEIR_NONNULL (*WEIR_NONNULL clone)(weir_msg *m);

    /* ---- flow: all but take dispose of their messages, which are gone for the plugin when they return */

    /* [worker, in the hook] The exception: from now on m is the plugin's.  flags: WEIR_TAKE_*. */
    void (*take)(weir_msg *m, uint32_t flags);
    /* [worker] On in its direction. */
    void (*pass)(weir_msg *m);
    /* [worker] There instead of next; the response comes back through on_responses of this site.  t
     * stays the plugin's. */
    void (*pass_to)(weir_msg *request, weir_target *t);
    /* [worker, in the hook] pass_to for all that is left of a batch: what a sink does. */
    void (*route)(const weir_batch *b, weir_target *t);
    /* [worker] Answers a request, or puts this response in the place of that one.  Disposes of both;
     * ids are set. */
    void (*reply)(weir_msg *m, weir_msg *response);
    /* [worker] Answers a request (or replaces a response) with an error that is right in its protocol:
     * docs/tapes/<protocol>.md says how.  The text is copied. */
    void (*fail)(weir_msg *m, weir_status why, weir_str text);
    /* [worker] Away with it.  A request of a client: only if WEIR_M_NO_REPLY, otherwise it is a fail(). */
    void (*drop)(weir_msg *m);
    /* [worker] Forgets this response and sends its request again.  Needs WEIR_F_KEEP_REQUESTS. */
    void (*retry)(weir_msg *response, weir_target *t);
    /* [worker] n requests of your own (made or taken), kept together on one connection.  done() gets all
     * responses, or none with a status, exactly once and not before send returns; NULL: answers are
     * thrown away.  Returns a number for cancel(), never 0. */
    uint64_t (*send)(weir_target *t, weir_msg *WEIR_NONNULL const *WEIR_NONNULL msgs, uint32_t n,
                     const weir_send_opts *WEIR_NULLABLE o, weir_done_fn WEIR_NULLABLE done, void *WEIR_NULLABLE ctx);
    /* [worker] Ends a send or a timer; done() still comes, a timer's function does not, so its ctx is
     * the plugin's to free.  A number that is unknown or over does nothing. */
    void (*cancel)(weir_worker *w, uint64_t op);
    /* [worker] Unsolicited, to the client; disposes of m. */
    void (*push)(weir_conn *c, weir_msg *m);
    /* [worker] Closes the client connection after what is queued; the reason, copied, is for the log. */
    void (*close)(weir_conn *c, weir_str reason);

    /* ---- targets: the host connects, pools, does handshakes, reconnects with back-off, keeps
     * watermarks; opening the same address twice gives the same pool */

    /* [worker] *out is the plugin's until target_close.  WEIR_OK does not say that it is connected. */
    weir_status (*target_open)(const weir_target_spec *spec, weir_target *WEIR_NULLABLE *WEIR_NONNULL out);
    /* [worker] What is in flight comes back; then no more of it. */
    void (*target_close)(weir_target *t);
    /* [worker] The rest of the chain of this connection behind this site, for send().  The host's, valid
     * as long as the connection: not to be closed. */
    weir_target *WEIR_NONNULL (*WEIR_NONNULL next)(weir_conn *c, weir_site *s);

    /* ---- time, scheduling */

    /* [worker] Calls fn once, [worker], not before delay_ns have passed and not before timer returns.
     * Returns a number for cancel(), never 0. */
    uint64_t (*timer)(weir_worker *w, uint64_t delay_ns, weir_task_fn fn, void *WEIR_NULLABLE ctx);
    /* [any] Calls fn once, [worker], soon; in the order of the posts of one thread. */
    void (*post)(weir_worker *w, weir_task_fn fn, void *WEIR_NULLABLE ctx);
    /* [worker] Calls work once, [pool], where it may block but use only what is tagged [any]; then done,
     * [worker]. */
    void (*blocking)(weir_worker *w, weir_task_fn work, weir_task_fn done, void *WEIR_NULLABLE ctx);
    /* [worker] len random bytes into out, the caller's.  Not for keys. */
    void (*random)(weir_worker *w, void *out, size_t len);
    /* [worker] "user" "db" "client.name"; the host's, valid until the hook returns; len 0: none. */
    weir_str (*conn_attr)(weir_conn *c, const char *name);
};

/* ------------------------------------------------------------------- 6 extensions
 * host->extension(host, WEIR_EXT_...) gives a const table, valid for ever; NULL: not offered.
 * Third-party ids are reversed domains, "com.acme.thing/1".  A draft (weir_draft.h) keeps its id
 * when it becomes stable. */

#define WEIR_EXT_METRICS "weir.metrics/1"
typedef struct weir_histogram weir_histogram;
typedef struct weir_metrics_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] A cell of this worker alone, the host's, valid until worker_stop returns: write it with
     * plain stores, the host adds the workers up.  labels: "table=users,op=read", values without , = "
     * \ and line ends.  Same name and labels: same cell.  The series is weir_<name>{site=...,labels};
     * NULL when the name or a label is malformed or too many exist. */
    uint64_t *WEIR_NULLABLE (*WEIR_NONNULL counter)(weir_site *s, weir_worker *w, const char *name,
                                                    const char *labels);
    /* [worker] Likewise, for what goes up and down. */
    int64_t *WEIR_NULLABLE (*WEIR_NONNULL gauge)(weir_site *s, weir_worker *w, const char *name,
                                                 const char *labels);
    /* [worker] Likewise, for times; the buckets are the host's. */
    weir_histogram *WEIR_NULLABLE (*WEIR_NONNULL histogram)(weir_site *s, weir_worker *w, const char *name,
                                                            const char *labels);
    /* [worker] One observation; h stays the host's. */
    void (*observe)(weir_histogram *h, uint64_t nanoseconds);
} weir_metrics_v1;

/* Protocol knowledge.  Layout of the items is in docs/tapes/<protocol>.md; these tables add
 * what needs the codec's own tables or the connection's state. */
#define WEIR_EXT_RESP "weir.resp/1"
typedef struct weir_resp_session {   /* the host's, valid as long as the connection; it changes */
    uint32_t size;
    uint32_t version;                /* 2 or 3 */
    uint32_t db;
    uint32_t in_multi;
    uint32_t subscriptions;
    uint32_t reserved;
} weir_resp_session;
typedef struct weir_resp_v1 {
    uint32_t size;
    uint32_t verb_count;             /* verbs are 1 ..< verb_count */
    /* [worker] Writes the numbers of the items that are keys, at most max, into items, the caller's;
     * returns how many there are. */
    uint32_t (*keys)(weir_msg *m, uint32_t *items, uint32_t max);
    /* [worker] WEIR_RESP_* of a request's command, and sub-command; 0: unknown. */
    uint32_t (*flags)(const weir_msg *m);
    /* [any] Cluster hash slot of a key. */
    uint32_t (*slot)(weir_str key);
    /* [worker] NULL: not a RESP connection. */
    const weir_resp_session *WEIR_NULLABLE (*WEIR_NONNULL session)(const weir_conn *c);
} weir_resp_v1;
enum {
    WEIR_RESP_WRITE = 1,             /* changes keys */
    WEIR_RESP_READ = 2,              /* reads keys */
    WEIR_RESP_BLOCKING = 4,
    WEIR_RESP_PUBSUB = 8,
    WEIR_RESP_ADMIN = 16,
    WEIR_RESP_SCRIPT = 32,           /* runs a script or function: reads and writes what it likes */
    WEIR_RESP_CONNECTION = 64,       /* AUTH, HELLO, SELECT, PING, CLIENT...: about the connection */
    WEIR_RESP_TXN = 128,             /* MULTI, EXEC, DISCARD, WATCH, UNWATCH */
    WEIR_RESP_SCHEMA = 256           /* changes definitions: FUNCTION LOAD, ACL SETUSER, CONFIG SET... */
};

/* -------------------------------------------------------------- 7 small helpers */

static inline weir_str weir_cstr(const char *WEIR_NULLABLE s) {
    weir_str r;
    size_t n = 0;
    if (s) while (s[n]) n++;
    r.ptr = (const uint8_t *)s;
    r.len = n;
    return r;
}
static inline int weir_eq(weir_str a, weir_str b) {
    size_t i;
    if (a.len != b.len) return 0;
    for (i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i]) return 0;
    return 1;
}
/* The value under a name in a MAP item, 0 when it is not there (0 is the root, never a child). */
static inline uint32_t weir_member(const weir_tape *t, uint32_t map, const char *name) {
    uint32_t k, v;
    if (map >= t->count || t->items[map].type != WEIR_T_MAP || !t->items[map].count) return 0;
    for (k = map + 1; k; k = v ? t->items[v].next : 0) {
        v = t->items[k].next;
        if (v && weir_eq(t->items[k].bytes, weir_cstr(name))) return v;
    }
    return 0;
}
static inline weir_item weir_leaf(uint8_t type, weir_str bytes) {
    weir_item i = {0, 0, 0, 0, 0, 0, {0, 0}, 0};
    i.type = type;
    i.bytes = bytes;
    return i;
}
static inline weir_item weir_list(uint8_t type, uint32_t count) {
    weir_item i = {0, 0, 0, 0, 0, 0, {0, 0}, 0};
    i.type = type;
    i.count = count;
    return i;
}

/* --------------------------------------------------------------- 8 the layout, checked
 * Only the size of a struct that starts with `size` may change, and only upwards; the golden
 * file in plugin-sdk/abi has every member. */

#if !defined(__LP64__)
#error "weir.h is defined for 64-bit (LP64) machines"
#endif
#if defined(__cplusplus)
#define WEIR_ASSERT_(condition) static_assert(condition, "the ABI of Weir: " #condition)
#else
#define WEIR_ASSERT_(condition) _Static_assert(condition, "the ABI of Weir: " #condition)
#endif
WEIR_ASSERT_(sizeof(weir_str) == 16);
WEIR_ASSERT_(sizeof(weir_item) == 40);
WEIR_ASSERT_(offsetof(weir_item, bytes) == 16);
WEIR_ASSERT_(offsetof(weir_item, num) == 32);
WEIR_ASSERT_(sizeof(weir_tape) == 16);
WEIR_ASSERT_(sizeof(weir_buf) == 24);
WEIR_ASSERT_(sizeof(weir_worker) == 40);
WEIR_ASSERT_(offsetof(weir_worker, now_ns) == 16);
WEIR_ASSERT_(offsetof(weir_worker, host) == 32);
WEIR_ASSERT_(sizeof(weir_conn) == 64);
WEIR_ASSERT_(offsetof(weir_conn, worker) == 24);
WEIR_ASSERT_(sizeof(weir_msg) == 80);
WEIR_ASSERT_(offsetof(weir_msg, verb) == 20);
WEIR_ASSERT_(offsetof(weir_msg, raw) == 32);
WEIR_ASSERT_(offsetof(weir_msg, conn) == 64);
WEIR_ASSERT_(offsetof(weir_msg, request) == 72);
WEIR_ASSERT_(sizeof(weir_target) == 40);
WEIR_ASSERT_(sizeof(weir_batch) == 32);
WEIR_ASSERT_(offsetof(weir_batch, msgs) == 16);
WEIR_ASSERT_(sizeof(weir_config) == 72);
WEIR_ASSERT_(offsetof(weir_config, values) == 40);
WEIR_ASSERT_(sizeof(weir_transform) == 136);
WEIR_ASSERT_(offsetof(weir_transform, configure) == 64);
WEIR_ASSERT_(offsetof(weir_transform, on_requests) == 112);
WEIR_ASSERT_(sizeof(weir_plugin) == 56);
WEIR_ASSERT_(offsetof(weir_plugin, transforms) == 40);
WEIR_ASSERT_(sizeof(weir_result) == 40);
WEIR_ASSERT_(sizeof(weir_send_opts) == 16);
WEIR_ASSERT_(sizeof(weir_target_spec) == 72);
WEIR_ASSERT_(sizeof(weir_host) == 328);
WEIR_ASSERT_(offsetof(weir_host, extension) == 32);
WEIR_ASSERT_(offsetof(weir_host, parse) == 112);
WEIR_ASSERT_(offsetof(weir_host, take) == 168);
WEIR_ASSERT_(offsetof(weir_host, target_open) == 264);
WEIR_ASSERT_(offsetof(weir_host, conn_attr) == 320);
WEIR_ASSERT_(sizeof(weir_metrics_v1) == 40);
WEIR_ASSERT_(sizeof(weir_resp_session) == 24);
WEIR_ASSERT_(sizeof(weir_resp_v1) == 40);
#undef WEIR_ASSERT_

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif
#endif /* WEIR_H */
