/* weir_testing.h - a host of one worker for the unit tests of a plugin, in C or through Swift's WeirTesting.
 *
 * It calls the hooks as a host does, notes what becomes of each message, and has no network, no clock and no
 * threads: time moves when the test says so.  It knows RESP and a few dozen commands, does not validate options
 * against the schema and fills in no defaults.  Nothing is freed before weir_test_free, so a test may look at
 * everything at the end.
 *
 *     weir_test_host *h = weir_test_new(weir_plugin_v1);
 *     weir_test_site *s = weir_test_configure(h, "acme.mine", "{\"prefix\":\"a:\"}");
 *     weir_test_conn *c = weir_test_connect(s);
 *     weir_test_msg *m = weir_test_request(c, "SET k v");       // one batch of one request
 *     assert(m->state == WEIR_TEST_PASSED);
 *     assert(!strcmp(weir_test_respond(m, "+OK\r\n"), "+OK\r\n"));
 *     assert(h->misuse_count == 0);
 *     weir_test_free(h);
 */
#ifndef WEIR_TESTING_H
#define WEIR_TESTING_H

#include "weir_testing_types.h"
#include "weir_testing_table.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* A host with the plugin loaded; plugin is NULL when it refused. */
static inline weir_test_host *weir_test_new(weir_plugin_entry entry) {
    weir_test_host *h = (weir_test_host *)calloc(1, sizeof *h);
    weir_test_fill_table(h);
    h->plugin = entry(&h->table);
    return h;
}

static inline const weir_transform *WEIR_NULLABLE weir_test_transform(const weir_test_host *h, const char *id) {
    if (!h->plugin || !h->plugin->transforms) return NULL;
    for (uint32_t i = 0; i < h->plugin->transform_count; i++) {
        const weir_transform *t = h->plugin->transforms[i];
        if (t && !strcmp(t->id, id)) return t;
    }
    return NULL;
}

/* Configures and starts a transform; NULL: refused, the log says why. */
static inline weir_test_site *WEIR_NULLABLE weir_test_configure(weir_test_host *h, const char *id, const char *json) {
    const weir_transform *t = weir_test_transform(h, id);
    weir_tape *values = weir_test_json_parse(json);
    weir_test_site *s;
    weir_config c;
    weir_status status = WEIR_OK;
    if (!t || !values) {
        weir_test_note(h, t ? "not JSON" : "no such transform");
        weir_test_tape_free(values);
        return NULL;
    }
    s = (weir_test_site *)calloc(1, sizeof *s);
    s->host = h;
    s->transform = t;
    s->values = values;
    s->next = h->sites;
    h->sites = s;
    memset(&c, 0, sizeof c);
    c.size = sizeof c;
    c.host = &h->table;
    c.site = (weir_site *)s;
    c.name = weir_cstr("test/site");
    c.values = values;
    c.json = weir_cstr(json);
    c.protocol = 1;
    h->report_count = 0;
    if (t->configure) status = t->configure(&c, &s->site_state);
    if (status != WEIR_OK) return NULL;
    s->worker_state = s->site_state;
    if (!h->report_count && t->worker_start)
        status = t->worker_start(s->site_state, (weir_site *)s, &h->worker, &s->worker_state);
    if (h->report_count || status != WEIR_OK) {
        if (t->unconfigure) t->unconfigure(s->site_state);
        return NULL;
    }
    s->is_running = 1;
    return s;
}

/* A client; NULL: refused. */
static inline weir_test_conn *WEIR_NULLABLE weir_test_connect(weir_test_site *s) {
    weir_test_conn *c = (weir_test_conn *)calloc(1, sizeof *c);
    c->pub.size = sizeof c->pub;
    c->pub.id = ++s->host->last_number;
    c->pub.protocol = 1;
    c->pub.worker = &s->host->worker;
    c->pub.peer = weir_cstr("192.0.2.1:40000");
    c->pub.local = weir_cstr("192.0.2.2:6379");
    c->session.size = sizeof c->session;
    c->session.version = 2;
    c->site = s;
    c->state = s->worker_state;
    c->behind.pub.size = sizeof c->behind.pub;
    c->behind.pub.state = WEIR_TS_UP;
    c->behind.pub.name = weir_cstr("next");
    c->next = s->host->conns;
    s->host->conns = c;
    if (s->transform->conn_open && s->transform->conn_open(s->worker_state, &c->pub, &c->state) != WEIR_OK) {
        c->site->host->conns = c->next;
        free(c);
        return NULL;
    }
    return c;
}

/* A request on the wire, not delivered yet. */
static inline weir_test_msg *weir_test_prepare(weir_test_conn *c, const char *command) {
    weir_test_bytes wire = {NULL, 0, 0};
    weir_test_msg *m;
    uint32_t verb;
    weir_test_command_wire(&wire, command);
    m = weir_test_message(c->site->host, WEIR_REQUEST, wire.ptr, wire.len);
    free(wire.ptr);
    m->site = c->site;
    m->pub.conn = &c->pub;
    verb = m->pub.verb;
    if (c->session.in_multi) m->pub.flags |= WEIR_M_TXN;
    if (verb == weir_test_verb(weir_cstr("MULTI"))) c->session.in_multi = 1;
    if (verb == weir_test_verb(weir_cstr("EXEC")) || verb == weir_test_verb(weir_cstr("DISCARD")))
        c->session.in_multi = 0;
    return m;
}

static inline void weir_test_batch(weir_test_conn *c, int is_request, weir_test_msg *WEIR_NONNULL *WEIR_NONNULL msgs,
                                   uint32_t n) {
    const weir_transform *t = c->site->transform;
    weir_batch b;
    uint64_t *tags = (uint64_t *)calloc(n, sizeof *tags);
    weir_msg **list = (weir_msg **)calloc(n, sizeof *list);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = &msgs[i]->pub;
        tags[i] = msgs[i]->tag;
    }
    memset(&b, 0, sizeof b);
    b.size = sizeof b;
    b.count = n;
    b.conn = &c->pub;
    b.msgs = list;
    b.tags = t->flags & WEIR_F_TAGS ? tags : NULL;
    if (is_request && t->on_requests) t->on_requests(c->state, &b);
    if (!is_request && t->on_responses) t->on_responses(c->state, &b);
    for (uint32_t i = 0; i < n; i++) {
        msgs[i]->tag = tags[i];
        if (msgs[i]->state == WEIR_TEST_LENT) msgs[i]->state = WEIR_TEST_PASSED;
    }
    free(list);
    free(tags);
}

/* Requests that were prepared, as one batch. */
static inline void weir_test_deliver(weir_test_conn *c, weir_test_msg *WEIR_NONNULL *WEIR_NONNULL msgs, uint32_t n) {
    weir_test_batch(c, 1, msgs, n);
}

/* One request as a batch: words separated by spaces, in double quotes where they have some. */
static inline weir_test_msg *weir_test_request(weir_test_conn *c, const char *command) {
    weir_test_msg *m = weir_test_prepare(c, command);
    weir_test_deliver(c, &m, 1);
    return m;
}

/* The answer of what is behind, through the response hook; returns what the client gets, NULL while the
 * plugin holds it. */
static inline const char *WEIR_NULLABLE weir_test_respond(weir_test_msg *request, const char *wire) {
    weir_test_conn *c = (weir_test_conn *)request->pub.conn;
    weir_test_msg *m = weir_test_message(request->host, WEIR_RESPONSE, wire, strlen(wire));
    if (!c) return NULL;
    m->site = request->site;
    m->pub.conn = &c->pub;
    m->pub.id = request->pub.id;
    m->pub.verb = request->pub.verb;
    m->tag = request->tag;
    if (c->site->transform->flags & WEIR_F_KEEP_REQUESTS) m->pub.request = &request->pub;
    request->answer = m;
    weir_test_batch(c, 0, &m, 1);
    return weir_test_answer(request);
}

/* Runs what is due: posts, blocking work, timers; then what that makes due. */
static inline void weir_test_run(weir_test_host *h) {
    for (;;) {
        weir_test_task *t, *WEIR_NULLABLE *place, *WEIR_NULLABLE *due = NULL;
        for (place = &h->tasks; *place; place = &(*place)->next)
            if ((*place)->at_ns <= h->worker.now_ns && (!due || (*place)->at_ns < (*due)->at_ns)) due = place;
        if (!due || !*due) return;
        t = *due;
        *due = t->next;
        if (t->work) t->work(t->ctx);
        if (t->done) t->done(t->ctx);
        free(t);
    }
}

/* Lets time pass; timers fire in their order. */
static inline void weir_test_advance(weir_test_host *h, uint64_t ns) {
    uint64_t end = h->worker.now_ns + ns;
    weir_test_run(h);
    for (;;) {
        uint64_t first = UINT64_MAX;
        for (weir_test_task *t = h->tasks; t; t = t->next)
            if (t->at_ns < first) first = t->at_ns;
        if (first > end) break;
        h->worker.now_ns = first;
        weir_test_run(h);
    }
    h->worker.now_ns = end;
}

/* Completes the oldest send(): with answers, as many messages on one wire as there were requests, or with a
 * status.  0: there is none, or the wire is wrong. */
static inline int weir_test_complete(weir_test_host *h, weir_status status, const char *wire) {
    weir_test_sending *s = h->sendings, *WEIR_NULLABLE *place = &h->sendings;
    weir_result r;
    weir_msg **list;
    uint32_t i;
    size_t at = 0, len = strlen(wire);
    if (!s) return 0;
    while ((*place)->next) place = &(*place)->next;
    s = *place;
    list = (weir_msg **)calloc(s->count, sizeof *list);
    for (i = 0; status == WEIR_OK && i < s->count; i++) {
        size_t used = weir_test_length((const uint8_t *)wire + at, len - at);
        if (!used) { free(list); return 0; }
        list[i] = &weir_test_message(h, WEIR_RESPONSE, wire + at, used)->pub;
        at += used;
    }
    *place = NULL;
    memset(&r, 0, sizeof r);
    r.size = sizeof r;
    r.status = status;
    r.count = status == WEIR_OK ? s->count : 0;
    r.msgs = status == WEIR_OK ? list : NULL;
    r.detail = weir_cstr(status == WEIR_OK ? NULL : wire);
    if (s->done) s->done(s->ctx, &r);
    for (i = 0; i < r.count; i++)
        if (((weir_test_msg *)list[i])->state == WEIR_TEST_LENT) ((weir_test_msg *)list[i])->state = WEIR_TEST_DROPPED;
    free(list);
    free(s->msgs);
    free(s);
    return 1;
}

/* The value of a series of this plugin, 0 when it does not exist. */
static inline uint64_t weir_test_metric_value(weir_test_host *h, const char *name, const char *labels) {
    for (weir_test_metric *x = h->metrics; x; x = x->next)
        if (!strcmp(x->name, name) && !strcmp(x->labels, labels)) return x->cell;
    return 0;
}

/* Messages that the plugin still has. */
static inline uint32_t weir_test_held(const weir_test_host *h) {
    uint32_t n = 0;
    for (weir_test_msg *m = h->msgs; m; m = m->next) n += m->state == WEIR_TEST_HELD;
    return n;
}

/* WEIR_EV_*. */
static inline void weir_test_event(weir_test_conn *c, uint32_t event) {
    if (c->site->transform->on_event) c->site->transform->on_event(c->state, &c->pub, event);
}

/* WEIR_TE_*, to whoever opened the target with that reference and address; 0: nobody listens. */
static inline int weir_test_target_event(weir_test_host *h, const char *ref, const char *address, uint32_t event) {
    for (weir_test_target *t = h->targets; t; t = t->next)
        if (t->is_open && t->on_event && !strcmp(t->ref, ref) && !strcmp(t->address, address)) {
            t->on_event(t->ctx, &t->pub, event, NULL);
            return 1;
        }
    return 0;
}

static inline void weir_test_disconnect(weir_test_conn *c) {
    weir_test_host *h = c->site->host;
    weir_test_conn *WEIR_NULLABLE *place;
    for (weir_test_msg *m = h->msgs; m; m = m->next)
        if (m->pub.conn == &c->pub) m->pub.flags |= WEIR_M_DEAD;
    if (c->site->transform->conn_close) c->site->transform->conn_close(c->state);
    for (place = &h->conns; *place; place = &(*place)->next)
        if (*place == c) { *place = c->next; break; }
    for (weir_test_msg *m = h->msgs; m; m = m->next)
        if (m->pub.conn == &c->pub) m->pub.conn = NULL;
    free(c);
}

/* Closes the connections, stops and unconfigures the sites. */
static inline void weir_test_stop(weir_test_host *h) {
    while (h->conns) weir_test_disconnect(h->conns);
    for (weir_test_site *s = h->sites; s; s = s->next) {
        if (!s->is_running) continue;
        s->is_running = 0;
        if (s->transform->worker_stop) s->transform->worker_stop(s->worker_state);
        if (s->transform->unconfigure) s->transform->unconfigure(s->site_state);
    }
}

static inline void weir_test_free(weir_test_host *h) {
    weir_test_stop(h);
    while (weir_test_complete(h, WEIR_E_CANCELLED, "stopped")) {}
    weir_test_run(h);
    weir_test_release_memory(h);
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif /* WEIR_TESTING_H */
