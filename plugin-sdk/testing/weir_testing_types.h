/* weir_testing_types.h - what the test host is made of.  Part of weir_testing.h. */
#ifndef WEIR_TESTING_TYPES_H
#define WEIR_TESTING_TYPES_H

#include "weir_testing_json.h"
#include "weir_testing_resp.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct weir_test_host weir_test_host;
typedef struct weir_test_site weir_test_site;
typedef struct weir_test_conn weir_test_conn;
typedef struct weir_test_target weir_test_target;
typedef struct weir_test_msg weir_test_msg;

/* What became of a message. */
enum {
    WEIR_TEST_LENT = 0,              /* not delivered yet, or in its hook */
    WEIR_TEST_PASSED = 1,            /* it moved on */
    WEIR_TEST_ROUTED = 2,            /* pass_to or route: to `target` */
    WEIR_TEST_ANSWERED = 3,          /* by `answer` */
    WEIR_TEST_FAILED = 4,            /* likewise, with a status and a text */
    WEIR_TEST_HELD = 5,              /* the plugin has it */
    WEIR_TEST_DROPPED = 6,
    WEIR_TEST_SENT = 7,              /* a request of the plugin's own, on its way */
    WEIR_TEST_USED = 8               /* it became the answer to another, or was pushed */
};

struct weir_test_msg {
    weir_msg pub;
    weir_test_host *host;
    weir_test_site *WEIR_NULLABLE site;
    int state;
    weir_status why;                 /* of a fail() */
    weir_test_target *WEIR_NULLABLE target;
    weir_test_msg *WEIR_NULLABLE answer;
    uint64_t tag;
    weir_tape tape;
    weir_test_bytes wire;            /* as built */
    weir_test_bytes encoded;         /* as encode() gave it */
    weir_test_bytes owned[16];       /* contents that were set */
    uint32_t owned_count;
    weir_test_msg *WEIR_NULLABLE next;
};

struct weir_test_target {
    weir_target pub;
    char ref[128], address[128];
    int is_open;
    weir_target_fn WEIR_NULLABLE on_event;
    void *WEIR_NULLABLE ctx;
    weir_test_target *WEIR_NULLABLE next;
};

struct weir_test_conn {
    weir_conn pub;
    weir_test_site *site;
    void *WEIR_NULLABLE state;
    weir_resp_session session;
    int is_closed;                   /* by close() */
    weir_test_target behind;         /* what next() gives */
    weir_test_conn *WEIR_NULLABLE next;
};

struct weir_test_site {
    weir_test_host *host;
    const weir_transform *transform;
    weir_tape *WEIR_NULLABLE values;
    void *WEIR_NULLABLE site_state, *WEIR_NULLABLE worker_state;
    int is_running;
    weir_test_site *WEIR_NULLABLE next;
};

/* A timer, a post, blocking work. */
typedef struct weir_test_task {
    uint64_t number, at_ns;
    weir_task_fn WEIR_NULLABLE work;
    weir_task_fn WEIR_NULLABLE done;
    void *WEIR_NULLABLE ctx;
    struct weir_test_task *WEIR_NULLABLE next;
} weir_test_task;

/* A send() that is not answered yet. */
typedef struct weir_test_sending {
    uint64_t number;
    weir_target *target;
    weir_msg *WEIR_NONNULL *WEIR_NONNULL msgs;
    uint32_t count, flags;
    weir_done_fn WEIR_NULLABLE done;
    void *WEIR_NULLABLE ctx;
    struct weir_test_sending *WEIR_NULLABLE next;
} weir_test_sending;

typedef struct weir_test_metric {
    char name[64], labels[192];
    uint64_t cell;
    struct weir_test_metric *WEIR_NULLABLE next;
} weir_test_metric;

struct weir_test_host {
    weir_host table;
    weir_worker worker;
    const weir_plugin *WEIR_NULLABLE plugin;
    uint64_t last_number;
    uint64_t random;                 /* seed: the same for every host */
    uint32_t misuse_count;           /* a message was disposed of twice, and the like; the log says which */
    uint32_t report_count;           /* report() at level ERROR or above */
    uint32_t metric_limit;           /* counter() and gauge() answer NULL beyond it */
    int has_flags;                   /* every command has these WEIR_RESP_*, not those of the table */
    uint32_t flags;
    weir_test_bytes log;             /* lines of log() and report() */
    weir_test_msg *WEIR_NULLABLE msgs;
    weir_test_conn *WEIR_NULLABLE conns;
    weir_test_site *WEIR_NULLABLE sites;
    weir_test_target *WEIR_NULLABLE targets;
    weir_test_task *WEIR_NULLABLE tasks;
    weir_test_sending *WEIR_NULLABLE sendings;
    weir_test_metric *WEIR_NULLABLE metrics;
};

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
