/* weir_testing_table.h - the functions of the test host's table.  Part of weir_testing.h. */
#ifndef WEIR_TESTING_TABLE_H
#define WEIR_TESTING_TABLE_H

#include "weir_testing_messages.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* ---- targets */

static inline weir_status weir_test_target_open(const weir_target_spec *spec, weir_target *WEIR_NULLABLE *WEIR_NONNULL out) {
    weir_test_host *h = weir_test_of_worker(spec->worker);
    weir_test_target *t = (weir_test_target *)calloc(1, sizeof *t);
    snprintf(t->ref, sizeof t->ref, "%s", spec->ref);
    snprintf(t->address, sizeof t->address, "%.*s", (int)spec->address.len, spec->address.ptr ? (const char *)spec->address.ptr : "");
    t->is_open = 1;
    t->on_event = spec->on_event;
    t->ctx = spec->ctx;
    t->pub.size = sizeof t->pub;
    t->pub.state = WEIR_TS_UP;
    t->pub.name = weir_cstr(t->address[0] ? t->address : t->ref);
    t->next = h->targets;
    h->targets = t;
    *out = &t->pub;
    return WEIR_OK;
}

static inline void weir_test_target_close(weir_target *t) { ((weir_test_target *)t)->is_open = 0; }

static inline weir_target *weir_test_next(weir_conn *c, weir_site *s) {
    (void)s;
    return &((weir_test_conn *)c)->behind.pub;
}

/* ---- time */

static inline uint64_t weir_test_task_add(weir_test_host *h, uint64_t at_ns, weir_task_fn work, weir_task_fn WEIR_NULLABLE done,
                                          void *WEIR_NULLABLE ctx) {
    weir_test_task *t = (weir_test_task *)calloc(1, sizeof *t);
    weir_test_task *WEIR_NULLABLE *end = &h->tasks;
    t->number = ++h->last_number;
    t->at_ns = at_ns;
    t->work = work;
    t->done = done;
    t->ctx = ctx;
    while (*end) end = &(*end)->next;
    *end = t;
    return t->number;
}

static inline uint64_t weir_test_timer(weir_worker *w, uint64_t delay_ns, weir_task_fn fn, void *WEIR_NULLABLE ctx) {
    return weir_test_task_add(weir_test_of_worker(w), w->now_ns + delay_ns, fn, NULL, ctx);
}

static inline void weir_test_post(weir_worker *w, weir_task_fn fn, void *WEIR_NULLABLE ctx) {
    weir_test_task_add(weir_test_of_worker(w), 0, fn, NULL, ctx);
}

static inline void weir_test_blocking(weir_worker *w, weir_task_fn work, weir_task_fn done, void *WEIR_NULLABLE ctx) {
    weir_test_task_add(weir_test_of_worker(w), 0, work, done, ctx);
}

static inline void weir_test_cancel(weir_worker *w, uint64_t number) {
    weir_test_host *h = weir_test_of_worker(w);
    for (weir_test_task *WEIR_NULLABLE *t = &h->tasks; *t; t = &(*t)->next)
        if ((*t)->number == number) {
            weir_test_task *gone = *t;
            *t = gone->next;
            free(gone);
            return;
        }
}

static inline void weir_test_random(weir_worker *w, void *out, size_t len) {
    weir_test_host *h = weir_test_of_worker(w);
    for (size_t i = 0; i < len; i++) {
        h->random = h->random * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(h->random >> 56);
    }
}

static inline weir_str weir_test_conn_attr(weir_conn *c, const char *name) {
    (void)c;
    return weir_cstr(strcmp(name, "user") ? NULL : "default");
}

/* ---- general */

static inline void weir_test_log(const weir_host *h, const weir_site *WEIR_NULLABLE s, int32_t level, weir_str text) {
    static const char *const names[] = {"TRACE ", "DEBUG ", "INFO ", "WARN ", "ERROR "};
    weir_test_host *t = weir_test_of(h);
    (void)s;
    if (level >= 0 && level <= 4) weir_test_append_text(&t->log, names[level]);
    weir_test_append(&t->log, text.ptr, text.len);
    weir_test_append_text(&t->log, "\n");
}

static inline void weir_test_report(const weir_config *c, int32_t level, const char *path, weir_str text) {
    if (level >= WEIR_LOG_ERROR) weir_test_of(c->host)->report_count++;
    weir_test_append_text(&weir_test_of(c->host)->log, path);
    weir_test_append_text(&weir_test_of(c->host)->log, ": ");
    weir_test_log(c->host, c->site, level, text);
}

static inline weir_status weir_test_interest(const weir_config *c, uint32_t kinds, const uint32_t *verbs, uint32_t n) {
    (void)c, (void)kinds, (void)verbs, (void)n;
    return WEIR_OK;
}

static inline uint16_t weir_test_protocol(const weir_host *h, const char *name) {
    (void)h;
    return !strcmp(name, "resp");
}

static inline uint32_t weir_test_verb_number(const weir_host *h, const char *protocol, const char *name) {
    return weir_test_protocol(h, protocol) ? weir_test_verb(weir_cstr(name)) : 0;
}

static inline weir_str weir_test_verb_name(const weir_host *h, uint16_t protocol, uint32_t verb) {
    uint32_t n;
    const weir_test_command *table = weir_test_commands(&n);
    (void)h;
    return weir_cstr(protocol == 1 && verb && verb <= n ? table[verb - 1].name : NULL);
}

typedef struct weir_test_buf {
    weir_buf pub;
    uint32_t references;
} weir_test_buf;

static inline weir_buf *WEIR_NULLABLE weir_test_buf_new(const weir_host *h, size_t len) {
    weir_test_buf *b = (weir_test_buf *)calloc(1, sizeof *b + len);
    (void)h;
    b->pub.size = sizeof b->pub;
    b->pub.ptr = (uint8_t *)(b + 1);
    b->pub.len = len;
    b->references = 1;
    return &b->pub;
}

static inline void weir_test_buf_ref(weir_buf *b) { ((weir_test_buf *)b)->references++; }
static inline void weir_test_buf_unref(weir_buf *b) {
    if (!--((weir_test_buf *)b)->references) free(b);
}

/* ---- extensions */

static inline uint64_t *WEIR_NULLABLE weir_test_cell(weir_site *s, weir_worker *w, const char *name, const char *labels) {
    weir_test_host *h = weir_test_of_worker(w);
    weir_test_metric *x;
    uint32_t n = 0;
    (void)s;
    for (x = h->metrics; x; x = x->next, n++)
        if (!strcmp(x->name, name) && !strcmp(x->labels, labels)) return &x->cell;
    if (n >= h->metric_limit || strlen(name) >= sizeof x->name || strlen(labels) >= sizeof x->labels) return NULL;
    x = (weir_test_metric *)calloc(1, sizeof *x);
    strcpy(x->name, name);
    strcpy(x->labels, labels);
    x->next = h->metrics;
    h->metrics = x;
    return &x->cell;
}

static inline int64_t *WEIR_NULLABLE weir_test_gauge(weir_site *s, weir_worker *w, const char *name, const char *labels) {
    return (int64_t *)weir_test_cell(s, w, name, labels);
}

/* A histogram of the test host counts its observations. */
static inline weir_histogram *WEIR_NULLABLE weir_test_histogram(weir_site *s, weir_worker *w, const char *name,
                                                                const char *labels) {
    return (weir_histogram *)weir_test_cell(s, w, name, labels);
}

static inline void weir_test_observe(weir_histogram *h, uint64_t nanoseconds) {
    (void)nanoseconds;
    ++*(uint64_t *)h;
}

static inline uint32_t weir_test_keys(weir_msg *p, uint32_t *items, uint32_t max) {
    uint32_t n, count = 0;
    const weir_test_command *table = weir_test_commands(&n), *c;
    const weir_tape *t = weir_test_parse(p);
    int64_t last, at;
    if (!t || !p->verb || p->verb > n) return 0;
    c = &table[p->verb - 1];
    last = c->last < 0 ? (int64_t)t->count + c->last : c->last + 1;
    if (c->first)
        for (at = c->first + 1; at <= last && at < t->count; at += c->step, count++)
            if (count < max) items[count] = (uint32_t)at;
    return count;
}

static inline uint32_t weir_test_flags(const weir_msg *m) {
    uint32_t n;
    const weir_test_command *table = weir_test_commands(&n);
    const weir_test_host *h = ((const weir_test_msg *)m)->host;
    if (h->has_flags) return h->flags;
    return m->verb && m->verb <= n ? table[m->verb - 1].flags : 0;
}

static inline const weir_resp_session *WEIR_NULLABLE weir_test_session(const weir_conn *c) {
    return &((const weir_test_conn *)c)->session;
}

static inline const void *WEIR_NULLABLE weir_test_extension(const weir_host *h, const char *id) {
    static weir_metrics_v1 metrics;
    static weir_resp_v1 resp;
    (void)h;
    if (!strcmp(id, WEIR_EXT_METRICS)) {
        weir_metrics_v1 t = {sizeof t, 0, weir_test_cell, weir_test_gauge, weir_test_histogram, weir_test_observe};
        metrics = t;
        return &metrics;
    }
    if (!strcmp(id, WEIR_EXT_RESP)) {
        weir_resp_v1 t = {sizeof t, 0, weir_test_keys, weir_test_flags, weir_test_slot, weir_test_session};
        weir_test_commands(&t.verb_count);
        t.verb_count++;
        resp = t;
        return &resp;
    }
    return NULL;
}

static inline void weir_test_fill_table(weir_test_host *h) {
    weir_host t = {
        sizeof t, WEIR_ABI_MAJOR, WEIR_ABI_MINOR, "weir-testing", "0", h, weir_test_extension, weir_test_log,
        weir_test_protocol, weir_test_verb_number, weir_test_verb_name, weir_test_buf_new, weir_test_buf_ref,
        weir_test_buf_unref, weir_test_report, weir_test_interest, weir_test_parse, weir_test_set, weir_test_splice,
        weir_test_encode, weir_test_build, weir_test_build_raw, weir_test_clone, weir_test_take, weir_test_pass,
        weir_test_pass_to, weir_test_route, weir_test_reply, weir_test_fail, weir_test_drop, weir_test_retry,
        weir_test_send, weir_test_cancel, weir_test_push, weir_test_close, weir_test_target_open,
        weir_test_target_close, weir_test_next, weir_test_timer, weir_test_post, weir_test_blocking,
        weir_test_random, weir_test_conn_attr};
    h->table = t;
    h->worker.size = sizeof h->worker;
    h->worker.count = 1;
    h->worker.log_level = WEIR_LOG_TRACE;
    h->worker.now_ns = 1000000000;
    h->worker.wall_ns = 1700000000000000000;
    h->worker.host = &h->table;
    h->random = 1;
    h->metric_limit = 1000;
}

static inline void weir_test_release_memory(weir_test_host *h) {
    while (h->msgs) {
        weir_test_msg *m = h->msgs;
        h->msgs = m->next;
        for (uint32_t i = 0; i < m->owned_count; i++) free(m->owned[i].ptr);
        free(m->wire.ptr);
        free(m->encoded.ptr);
        free((void *)m->tape.items);
        free(m);
    }
    while (h->sites) {
        weir_test_site *s = h->sites;
        h->sites = s->next;
        weir_test_tape_free(s->values);
        free(s);
    }
    while (h->targets) { weir_test_target *t = h->targets; h->targets = t->next; free(t); }
    while (h->tasks) { weir_test_task *t = h->tasks; h->tasks = t->next; free(t); }
    while (h->metrics) { weir_test_metric *x = h->metrics; h->metrics = x->next; free(x); }
    free(h->log.ptr);
    free(h);
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
