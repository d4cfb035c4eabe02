/* weir_testing_messages.h - messages of the test host and what may become of them.  Part of weir_testing.h. */
#ifndef WEIR_TESTING_MESSAGES_H
#define WEIR_TESTING_MESSAGES_H

#include "weir_testing_types.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

static inline weir_test_host *weir_test_of(const weir_host *h) { return (weir_test_host *)h->impl; }
static inline weir_test_host *weir_test_of_worker(weir_worker *w) { return weir_test_of(w->host); }
static inline weir_test_msg *weir_test_of_msg(weir_msg *m) { return (weir_test_msg *)m; }

static inline void weir_test_note(weir_test_host *h, const char *text) {
    weir_test_append_text(&h->log, text);
    weir_test_append_text(&h->log, "\n");
}

static inline void weir_test_misuse(weir_test_host *h, const char *what) {
    h->misuse_count++;
    weir_test_append_text(&h->log, "MISUSE ");
    weir_test_note(h, what);
}

/* ---- messages */

/* How long the first message is, 0: not whole. */
static inline size_t weir_test_length(const uint8_t *bytes, size_t len) {
    weir_test_reader r = {{bytes, len}, 0, NULL, 0, 0, 0};
    weir_test_read(&r, 0, 0);
    free(r.items);
    return r.bad ? 0 : r.at;
}

static inline weir_test_msg *weir_test_message(weir_test_host *h, uint16_t kind, const void *wire, size_t len) {
    weir_test_msg *m = (weir_test_msg *)calloc(1, sizeof *m);
    weir_test_reader r = {{NULL, 0}, 0, NULL, 0, 0, 0};
    weir_test_append(&m->wire, wire, len);
    m->host = h;
    m->next = h->msgs;
    h->msgs = m;
    m->pub.size = sizeof m->pub;
    m->pub.id = ++h->last_number;
    m->pub.protocol = 1;
    m->pub.kind = kind;
    m->pub.wire_len = (uint32_t)len;
    m->pub.raw.ptr = m->wire.ptr;
    m->pub.raw.len = len;
    m->pub.received_ns = h->worker.now_ns;
    r.in = m->pub.raw;
    weir_test_read(&r, 0, 0);
    m->tape.size = sizeof m->tape;
    m->tape.items = r.items;
    m->tape.count = r.bad || r.at != len ? 0 : r.count;
    if (kind == WEIR_REQUEST && m->tape.count > 1) m->pub.verb = weir_test_verb(m->tape.items[1].bytes);
    if (m->tape.count && m->tape.items[0].type == WEIR_T_ERROR) m->pub.flags |= WEIR_M_ERROR;
    return m;
}

static inline const weir_tape *WEIR_NULLABLE weir_test_parse(weir_msg *m) {
    return weir_test_of_msg(m)->tape.count ? &weir_test_of_msg(m)->tape : NULL;
}

static inline weir_str weir_test_encode(weir_msg *p) {
    weir_test_msg *m = weir_test_of_msg(p);
    weir_str out;
    uint32_t at = 0;
    m->encoded.len = 0;
    if (m->tape.count) weir_test_write_item(&m->encoded, m->tape.items, m->tape.count, &at);
    out.ptr = m->encoded.ptr;
    out.len = m->encoded.len;
    return out;
}

static inline weir_status weir_test_set(weir_msg *p, uint32_t item, weir_str value, weir_buf *WEIR_NULLABLE owner) {
    weir_test_msg *m = weir_test_of_msg(p);
    weir_item *i;
    (void)owner;
    if (item >= m->tape.count || m->owned_count == 16) return WEIR_E_INVALID;
    i = (weir_item *)&m->tape.items[item];
    if (i->count) return WEIR_E_INVALID;
    weir_test_append(&m->owned[m->owned_count], value.ptr, value.len);
    i->bytes.ptr = m->owned[m->owned_count++].ptr;
    i->bytes.len = value.len;
    i->flags |= WEIR_I_EDITED;
    m->pub.flags |= WEIR_M_EDITED;
    m->pub.raw.ptr = NULL;
    m->pub.raw.len = 0;
    return WEIR_OK;
}

static inline weir_msg *WEIR_NULLABLE weir_test_build_raw(weir_worker *w, uint16_t protocol, uint16_t kind,
                                                          weir_str wire) {
    weir_test_msg *m;
    if (protocol != 1 || weir_test_length(wire.ptr ? wire.ptr : (const uint8_t *)"", wire.len) != wire.len) return NULL;
    m = weir_test_message(weir_test_of_worker(w), kind, wire.ptr ? (const void *)wire.ptr : "", wire.len);
    m->state = WEIR_TEST_HELD;
    m->pub.flags |= WEIR_M_LOCAL;
    return &m->pub;
}

static inline weir_msg *WEIR_NULLABLE weir_test_build(weir_worker *w, uint16_t protocol, uint16_t kind,
                                                      const weir_item *items, uint32_t n) {
    weir_test_bytes wire = {NULL, 0, 0};
    uint32_t at = 0;
    weir_str out;
    weir_msg *m;
    weir_test_write_item(&wire, items, n, &at);
    out.ptr = wire.ptr;
    out.len = wire.len;
    m = at == n ? weir_test_build_raw(w, protocol, kind, out) : NULL;
    free(wire.ptr);
    return m;
}

/* Takes a run of children out and puts a tape there, by way of the wire. */
static inline weir_status weir_test_splice(weir_msg *p, uint32_t parent, uint32_t at, uint32_t remove,
                                           const weir_item *WEIR_NULLABLE items, uint32_t n) {
    weir_test_msg *m = weir_test_of_msg(p);
    const weir_item *list = m->tape.items;
    weir_test_bytes wire = {NULL, 0, 0};
    char head[32];
    uint32_t k, child, from, added = 0;
    weir_test_msg *made;
    if (parent || !m->tape.count || at + remove > list[0].count) return WEIR_E_UNSUPPORTED;
    for (from = 0; items && from < n; added++) weir_test_write_item(&wire, items, n, &from);
    wire.len = 0;
    snprintf(head, sizeof head, "*%u\r\n", list[0].count - remove + added);
    weir_test_append_text(&wire, head);
    for (k = 0, child = 1; k <= list[0].count; k++) {
        uint32_t next = k < list[0].count ? list[child].next : 0;
        if (k == at)
            for (from = 0; items && from < n;) weir_test_write_item(&wire, items, n, &from);
        from = child;
        if (k < list[0].count && (k < at || k >= at + remove))
            weir_test_write_item(&wire, list, m->tape.count, &from);
        child = next;
    }
    made = weir_test_message(m->host, m->pub.kind, wire.ptr ? (const void *)wire.ptr : "", wire.len);
    made->state = WEIR_TEST_USED;
    free(wire.ptr);
    m->tape = made->tape;
    made->tape.items = list;
    m->pub.flags |= WEIR_M_EDITED;
    return WEIR_OK;
}

static inline weir_msg *weir_test_clone(weir_msg *p) {
    weir_str wire = weir_test_encode(p);
    weir_test_msg *m = weir_test_message(weir_test_of_msg(p)->host, p->kind, wire.ptr ? (const void *)wire.ptr : "", wire.len);
    m->state = WEIR_TEST_HELD;
    return &m->pub;
}

/* ---- flow */

/* Whether the plugin may dispose of it now. */
static inline int weir_test_may(weir_msg *p, const char *what) {
    weir_test_msg *m = weir_test_of_msg(p);
    if (m->state == WEIR_TEST_LENT || m->state == WEIR_TEST_HELD) return 1;
    weir_test_misuse(m->host, what);
    return 0;
}

static inline void weir_test_take(weir_msg *m, uint32_t flags) {
    (void)flags;
    if (weir_test_of_msg(m)->state != WEIR_TEST_LENT) weir_test_misuse(weir_test_of_msg(m)->host, "take: not lent");
    weir_test_of_msg(m)->state = WEIR_TEST_HELD;
}

static inline void weir_test_pass(weir_msg *m) {
    if (weir_test_may(m, "pass: not yours")) weir_test_of_msg(m)->state = WEIR_TEST_PASSED;
}

static inline void weir_test_pass_to(weir_msg *m, weir_target *t) {
    if (!weir_test_may(m, "pass_to: not yours")) return;
    weir_test_of_msg(m)->state = WEIR_TEST_ROUTED;
    weir_test_of_msg(m)->target = (weir_test_target *)t;
}

static inline void weir_test_route(const weir_batch *b, weir_target *t) {
    for (uint32_t i = 0; i < b->count; i++)
        if (weir_test_of_msg(b->msgs[i])->state == WEIR_TEST_LENT) weir_test_pass_to(b->msgs[i], t);
}

static inline void weir_test_reply(weir_msg *m, weir_msg *response) {
    if (!weir_test_may(m, "reply: not yours") || !weir_test_may(response, "reply: the response is not yours")) return;
    weir_test_of_msg(m)->state = WEIR_TEST_ANSWERED;
    weir_test_of_msg(m)->answer = weir_test_of_msg(response);
    weir_test_of_msg(response)->state = WEIR_TEST_USED;
}

static inline void weir_test_fail(weir_msg *m, weir_status why, weir_str text) {
    weir_test_bytes line = {NULL, 0, 0};
    size_t code = 0;
    if (!weir_test_may(m, "fail: not yours")) return;
    while (code < text.len && text.ptr[code] >= 'A' && text.ptr[code] <= 'Z') code++;
    /* A text may bring its own code word, EXECABORT or NOAUTH. */
    weir_test_append_text(&line, code >= 2 && code < text.len && text.ptr[code] == ' ' ? "-" : "-ERR ");
    weir_test_append(&line, text.ptr, text.len);
    weir_test_append_text(&line, "\r\n");
    weir_test_of_msg(m)->state = WEIR_TEST_FAILED;
    weir_test_of_msg(m)->why = why;
    weir_test_of_msg(m)->answer = weir_test_message(weir_test_of_msg(m)->host, WEIR_RESPONSE, line.ptr, line.len);
    weir_test_of_msg(m)->answer->state = WEIR_TEST_USED;
    free(line.ptr);
}

static inline void weir_test_drop(weir_msg *m) {
    if (m->kind == WEIR_REQUEST && m->conn && !(m->flags & (WEIR_M_NO_REPLY | WEIR_M_DEAD))) {
        weir_test_fail(m, WEIR_E_INTERNAL, weir_cstr("dropped"));
        return;
    }
    if (weir_test_may(m, "drop: not yours")) weir_test_of_msg(m)->state = WEIR_TEST_DROPPED;
}

static inline void weir_test_retry(weir_msg *m, weir_target *t) {
    if (!weir_test_may(m, "retry: not yours")) return;
    weir_test_of_msg(m)->state = WEIR_TEST_DROPPED;
    if (!m->request) {
        weir_test_misuse(weir_test_of_msg(m)->host, "retry: without WEIR_F_KEEP_REQUESTS");
        return;
    }
    weir_test_of_msg(m->request)->state = WEIR_TEST_ROUTED;
    weir_test_of_msg(m->request)->target = (weir_test_target *)t;
    weir_test_of_msg(m->request)->answer = NULL;
}

/* What the client gets for a request; NULL: nothing yet. */
static inline const char *WEIR_NULLABLE weir_test_answer(weir_test_msg *m) {
    for (int depth = 0; m->answer && depth < 8; depth++) m = m->answer;
    if (m->pub.kind == WEIR_REQUEST || m->state == WEIR_TEST_HELD || m->state == WEIR_TEST_DROPPED) return NULL;
    return (const char *)weir_test_encode(&m->pub).ptr;
}

static inline uint64_t weir_test_send(weir_target *t, weir_msg *WEIR_NONNULL const *WEIR_NONNULL msgs, uint32_t n,
                                      const weir_send_opts *WEIR_NULLABLE o, weir_done_fn WEIR_NULLABLE done,
                                      void *WEIR_NULLABLE ctx) {
    weir_test_sending *s = (weir_test_sending *)calloc(1, sizeof *s);
    weir_test_host *h = weir_test_of_msg(msgs[0])->host;
    s->number = ++h->last_number;
    s->target = t;
    s->count = n;
    s->flags = o ? o->flags : 0;
    s->done = done;
    s->ctx = ctx;
    s->msgs = (weir_msg **)calloc(n, sizeof *s->msgs);
    for (uint32_t i = 0; i < n; i++) {
        s->msgs[i] = msgs[i];
        if (weir_test_may(msgs[i], "send: not yours")) weir_test_of_msg(msgs[i])->state = WEIR_TEST_SENT;
    }
    s->next = h->sendings;
    h->sendings = s;
    return s->number;
}

static inline void weir_test_push(weir_conn *c, weir_msg *m) {
    (void)c;
    if (weir_test_may(m, "push: not yours")) weir_test_of_msg(m)->state = WEIR_TEST_USED;
}

static inline void weir_test_close(weir_conn *c, weir_str reason) {
    ((weir_test_conn *)c)->is_closed = 1;
    (void)reason;
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
