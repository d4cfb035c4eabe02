/* weir_draft.h - DRAFTS of extensions to weir.h.  No host offers any of them yet.
 *
 * They are here so that the shape of what is to come can be read and argued about.  Nothing in
 * this file is promised: layouts change without notice, and extension(host, id) answers NULL for
 * each of these ids.  An id stays when its draft becomes stable; what is stable moves to weir.h.
 * The rules, tags and nullability marks are those of weir.h.
 */
#ifndef WEIR_DRAFT_H
#define WEIR_DRAFT_H

#include "weir.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* ------------------------------------------------------ reload and upgrade: hand-over
 * What a new generation of a site may take over from the one it replaces.  The members of
 * weir_config and weir_transform that this needs, kept apart until they are stable. */
#define WEIR_EXT_HANDOVER "weir.handover/1"
enum { WEIR_CFG_RELOAD = 2 };          /* in weir_config.flags */
typedef struct weir_handover {         /* lent until configure() returns */
    uint32_t size;
    uint32_t reserved;
    void *WEIR_NULLABLE previous;      /* site state of the instance this one replaces, if it is of this
                                          very library: to be read, not to be kept */
    weir_str saved;                    /* what its save() wrote; len 0: nothing */
} weir_handover;
typedef struct weir_handover_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [main, in configure] NULL: this is no reload.  The host's. */
    const weir_handover *WEIR_NULLABLE (*WEIR_NONNULL from)(const weir_config *c);
    /* [main, in configure] save: called [main] before unconfigure; *out is the plugin's and is read
     * before the next call into the plugin. */
    void (*on_save)(const weir_config *c, weir_status (*save)(void *WEIR_NULLABLE site_state, weir_str *out));
} weir_handover_v1;

/* ------------------------------------------------------------ items expanded on demand */
enum { WEIR_I_LAZY = 2 };              /* in weir_item.flags: a container that is not expanded yet */
#define WEIR_EXT_LAZY "weir.lazy/1"
typedef struct weir_lazy_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] The tape with that container expanded, the host's, valid as long as m; NULL: malformed. */
    const weir_tape *WEIR_NULLABLE (*WEIR_NONNULL expand)(weir_msg *m, uint32_t item);
} weir_lazy_v1;

/* ------------------------------------------------ a cache, shared by all workers, LRU by bytes */
#define WEIR_EXT_CACHE "weir.cache/1"
typedef struct weir_cache weir_cache;
typedef struct weir_cache_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] The host's; survives reloads by its name.  NULL: too many, or no memory. */
    weir_cache *WEIR_NULLABLE (*WEIR_NONNULL open)(weir_site *s, const char *name, uint64_t max_bytes);
    /* [any] A reference that is the caller's to buf_unref, or NULL. */
    weir_buf *WEIR_NULLABLE (*WEIR_NONNULL get)(weir_cache *c, weir_str key);
    /* [any] group: entries to drop together, as "all queries on this partition"; len 0: none.  Bytes are
     * copied, or, where they lie in owner, referenced. */
    void (*put)(weir_cache *c, weir_str key, weir_str group, weir_str value, weir_buf *WEIR_NULLABLE owner,
                uint64_t ttl_ns);
    void (*remove)(weir_cache *c, weir_str key);           /* [any] */
    void (*remove_group)(weir_cache *c, weir_str group);   /* [any] */
    /* [any] Counts remove_group: read it before the query and pass it to put_if. */
    uint64_t (*epoch)(weir_cache *c, weir_str group);
    /* [any] 0 when the group was dropped since. */
    int32_t (*put_if)(weir_cache *c, weir_str key, weir_str group, uint64_t epoch, weir_str value,
                      weir_buf *WEIR_NULLABLE owner, uint64_t ttl_ns);
} weir_cache_v1;

/* --------------------------------------------- snapshots that one worker publishes and all see */
#define WEIR_EXT_SHARED "weir.shared/1"
typedef struct weir_shared_v1 {
    uint32_t size;
    uint32_t reserved;
    void (*publish)(weir_site *s, const char *name, weir_str value);       /* [any] copied */
    /* [any] A reference that is the caller's to buf_unref; NULL: nothing was published. */
    weir_buf *WEIR_NULLABLE (*WEIR_NONNULL latest)(weir_site *s, const char *name);
    /* [worker] changed: [worker], after each publish, until worker_stop. */
    void (*watch)(weir_site *s, weir_worker *w, const char *name, weir_task_fn changed, void *WEIR_NULLABLE ctx);
} weir_shared_v1;

/* ------------------------------------------------- calls out; TLS and proxies are the host's */
#define WEIR_EXT_HTTP "weir.http/1"
typedef struct weir_http_req {         /* the plugin's; copied during the call */
    uint32_t size;
    uint32_t header_count;             /* pairs */
    const char *method;
    const char *url;
    const weir_str *WEIR_NULLABLE headers;  /* name, value, name, value... */
    weir_str body;
    uint64_t timeout_ns;
} weir_http_req;
typedef struct weir_http_res {         /* lent until done() returns */
    uint32_t size;
    weir_status status;                /* of the transport */
    uint32_t code;                     /* 200... */
    uint32_t header_count;
    const weir_str *WEIR_NULLABLE headers;
    weir_str body;
} weir_http_res;
typedef struct weir_http_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] done: [worker], exactly once.  Returns a number for cancel(). */
    uint64_t (*call)(weir_worker *w, weir_site *s, const weir_http_req *r,
                     void (*done)(void *WEIR_NULLABLE ctx, const weir_http_res *res), void *WEIR_NULLABLE ctx);
} weir_http_v1;

/* ------------------------------------------------------------------------------- secrets
 * In a schema, "x-weir":"secret" marks a reference that this extension resolves; it is never
 * logged. */
#define WEIR_EXT_SECRET "weir.secret/1"
typedef struct weir_secret_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] ref: JSON pointer.  A reference that is the caller's to buf_unref, which wipes it. */
    weir_buf *WEIR_NULLABLE (*WEIR_NONNULL get)(weir_site *s, const char *ref);
    void (*watch)(weir_site *s, weir_worker *w, const char *ref, weir_task_fn rotated, void *WEIR_NULLABLE ctx);
} weir_secret_v1;

/* -------------------------------------------------------------------------- key management
 * The host routes to the provider that the operator configured: built in, or the
 * "weir.kms-provider/1" extension of another plugin. */
#define WEIR_EXT_KMS "weir.kms/1"
typedef struct weir_kms_result {       /* lent until done() returns: buf_ref what is to be kept */
    uint32_t size;
    weir_status status;
    weir_buf *WEIR_NULLABLE plain;
    weir_buf *WEIR_NULLABLE wrapped;
    weir_str detail;
} weir_kms_result;
typedef void (*weir_kms_fn)(void *WEIR_NULLABLE ctx, const weir_kms_result *r);  /* [worker], exactly once */
typedef struct weir_kms_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] A new data key, in clear and wrapped.  Returns a number for cancel(). */
    uint64_t (*generate)(weir_worker *w, weir_site *s, weir_str key_id, weir_kms_fn done, void *WEIR_NULLABLE ctx);
    /* [worker] A wrapped data key in clear. */
    uint64_t (*unwrap)(weir_worker *w, weir_site *s, weir_str key_id, weir_str wrapped, weir_kms_fn done,
                       void *WEIR_NULLABLE ctx);
} weir_kms_v1;

/* ------------------------------------------ cryptography, so that no plugin brings its own */
#define WEIR_EXT_CRYPTO "weir.crypto/1"
typedef struct weir_crypto_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [any] out: the caller's, as long as plain and 16 bytes more. */
    weir_status (*aes_gcm_seal)(weir_str key, weir_str nonce, weir_str aad, weir_str plain, uint8_t *out);
    /* [any] out: the caller's, 16 bytes shorter than sealed. */
    weir_status (*aes_gcm_open)(weir_str key, weir_str nonce, weir_str aad, weir_str sealed, uint8_t *out);
    void (*hmac_sha256)(weir_str key, weir_str data, uint8_t out[WEIR_NONNULL 32]);   /* [any] */
    void (*sha256)(weir_str data, uint8_t out[WEIR_NONNULL 32]);                      /* [any] */
} weir_crypto_v1;

/* ----------------------------------------- commands under /site/<name>/<command> of the admin API */
#define WEIR_EXT_ADMIN "weir.admin/1"
typedef struct weir_admin_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker_start] fn is called [worker] on each worker that registered it; the host gathers the
     * answers.  *reply is JSON, the plugin's, read before the next call into the plugin. */
    void (*command)(weir_site *s, weir_worker *w, const char *name, const char *help,
                    weir_status (*fn)(void *WEIR_NULLABLE ctx, const weir_tape *args, weir_str *reply),
                    void *WEIR_NULLABLE ctx);
} weir_admin_v1;

/* ------------------------------------------ tracing; the host makes a span per transform anyway */
#define WEIR_EXT_TRACE "weir.trace/1"
typedef struct weir_trace_v1 {
    uint32_t size;
    uint32_t reserved;
    int32_t (*sampled)(const weir_msg *m);                              /* [worker] */
    void (*annotate)(weir_msg *m, const char *key, weir_str value);     /* [worker] copied */
} weir_trace_v1;

/* --------------------------------------------------------------------------------- CQL */
#define WEIR_EXT_CQL "weir.cql/1"
enum {                                 /* weir_item.tag */
    WEIR_CQL_TEXT = 1, WEIR_CQL_PREPARED_ID = 2, WEIR_CQL_VALUES = 3, WEIR_CQL_VALUE = 4, WEIR_CQL_ROWS = 5,
    WEIR_CQL_ROW = 6, WEIR_CQL_CELL = 7, WEIR_CQL_ERROR_CODE = 8, WEIR_CQL_ERROR_TEXT = 9
};
enum {
    WEIR_CQL_OTHER = 0, WEIR_CQL_SELECT = 1, WEIR_CQL_INSERT = 2, WEIR_CQL_UPDATE = 3, WEIR_CQL_DELETE = 4,
    WEIR_CQL_DDL = 5, WEIR_CQL_BATCH = 6, WEIR_CQL_USE = 7
};
typedef struct weir_cql_column {       /* FROZEN */
    weir_str name;
    uint32_t type;
    uint32_t item;
} weir_cql_column;
typedef struct weir_cql_info {         /* lent with the message */
    uint32_t size;
    uint32_t statement;                /* WEIR_CQL_SELECT...; EXECUTE is resolved to its statement */
    weir_str keyspace, table, text;
    uint32_t consistency;
    uint32_t column_count;
    const weir_cql_column *WEIR_NULLABLE columns;  /* bound values of a request, columns of a result */
    weir_str partition_key;            /* serialized as for routing; len 0: not determined */
    int64_t token;                     /* its Murmur3 token */
    uint32_t flags;                    /* WEIR_CQLF_* */
    uint32_t reserved;
} weir_cql_info;
enum { WEIR_CQLF_WHOLE_KEY = 1, WEIR_CQLF_LWT = 2, WEIR_CQLF_PAGED = 4, WEIR_CQLF_NONDETERMINISTIC = 8 };
typedef struct weir_cql_v1 {
    uint32_t size;
    uint32_t reserved;
    /* [worker] The host's, valid as long as m; NULL: not understood. */
    const weir_cql_info *WEIR_NULLABLE (*WEIR_NONNULL info)(weir_msg *m);
} weir_cql_v1;

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif
#endif /* WEIR_DRAFT_H */
