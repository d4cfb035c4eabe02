/* weir_testing_resp.h - enough of RESP for tests.  Part of weir_testing.h.
 *
 * A parser and an encoder of whole messages (all types of RESP2, the commoner ones of RESP3),
 * and a table of commands.  The real host's tables know every command; this one a few of each
 * kind.
 */
#ifndef WEIR_TESTING_RESP_H
#define WEIR_TESTING_RESP_H

#include "../CWeir/include/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct weir_test_command {
    const char *name;
    uint32_t flags;
    int32_t first, last, step;       /* positions of keys; last -1: to the end; first 0: none */
} weir_test_command;

/* Verbs are 1 + the place in this table. */
static inline const weir_test_command *weir_test_commands(uint32_t *count) {
    static const weir_test_command table[] = {
        {"GET", WEIR_RESP_READ, 1, 1, 1},         {"SET", WEIR_RESP_WRITE, 1, 1, 1},
        {"DEL", WEIR_RESP_WRITE, 1, -1, 1},       {"MGET", WEIR_RESP_READ, 1, -1, 1},
        {"MSET", WEIR_RESP_WRITE, 1, -1, 2},      {"INCR", WEIR_RESP_WRITE | WEIR_RESP_READ, 1, 1, 1},
        {"APPEND", WEIR_RESP_WRITE, 1, 1, 1},     {"EXISTS", WEIR_RESP_READ, 1, -1, 1},
        {"TTL", WEIR_RESP_READ, 1, 1, 1},         {"SCAN", WEIR_RESP_READ, 0, 0, 0},
        {"BLPOP", WEIR_RESP_WRITE | WEIR_RESP_BLOCKING, 1, -2, 1},
        {"EVAL", WEIR_RESP_SCRIPT, 0, 0, 0},      {"EVAL_RO", WEIR_RESP_SCRIPT | WEIR_RESP_READ, 0, 0, 0},
        {"FCALL", WEIR_RESP_SCRIPT, 0, 0, 0},     {"FUNCTION", WEIR_RESP_SCHEMA, 0, 0, 0},
        {"CONFIG", WEIR_RESP_ADMIN, 0, 0, 0},     {"SHUTDOWN", WEIR_RESP_ADMIN, 0, 0, 0},
        {"FLUSHALL", WEIR_RESP_WRITE, 0, 0, 0},   {"INFO", 0, 0, 0, 0},
        {"PUBLISH", WEIR_RESP_PUBSUB, 0, 0, 0},   {"SUBSCRIBE", WEIR_RESP_PUBSUB, 0, 0, 0},
        {"PING", WEIR_RESP_CONNECTION, 0, 0, 0},  {"AUTH", WEIR_RESP_CONNECTION, 0, 0, 0},
        {"HELLO", WEIR_RESP_CONNECTION, 0, 0, 0}, {"SELECT", WEIR_RESP_CONNECTION, 0, 0, 0},
        {"CLIENT", WEIR_RESP_CONNECTION, 0, 0, 0}, {"RESET", WEIR_RESP_CONNECTION, 0, 0, 0},
        {"MULTI", WEIR_RESP_TXN, 0, 0, 0},        {"EXEC", WEIR_RESP_TXN, 0, 0, 0},
        {"DISCARD", WEIR_RESP_TXN, 0, 0, 0},      {"WATCH", WEIR_RESP_TXN, 1, -1, 1},
    };
    *count = (uint32_t)(sizeof table / sizeof table[0]);
    return table;
}

static inline uint32_t weir_test_verb(weir_str name) {
    uint32_t n, v;
    const weir_test_command *table = weir_test_commands(&n);
    for (v = 0; v < n; v++) {
        size_t i, len = strlen(table[v].name);
        for (i = 0; i < len && i < name.len; i++) {
            uint8_t c = name.ptr[i];
            if (c >= 'a' && c <= 'z') c = (uint8_t)(c - 32);
            if (c != (uint8_t)table[v].name[i]) break;
        }
        if (i == len && name.len == len) return v + 1;
    }
    return 0;
}

static inline uint32_t weir_test_slot(weir_str key) {
    uint32_t crc = 0;
    size_t from = 0, to = key.len, i, j;
    for (i = 0; i < key.len; i++)
        if (key.ptr[i] == '{') {
            for (j = i + 1; j < key.len && key.ptr[j] != '}'; j++) {}
            if (j < key.len && j > i + 1) { from = i + 1; to = j; }
            break;
        }
    for (i = from; i < to; i++) {
        crc ^= (uint32_t)key.ptr[i] << 8;
        for (j = 0; j < 8; j++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    }
    return crc & 0x3FFF;
}

/* Bytes that grow. */
typedef struct weir_test_bytes {
    uint8_t *WEIR_NULLABLE ptr;
    size_t len, capacity;
} weir_test_bytes;

static inline void weir_test_append(weir_test_bytes *b, const void *WEIR_NULLABLE ptr, size_t len) {
    if (b->len + len + 1 > b->capacity) {
        b->capacity = (b->len + len + 1) * 2;
        b->ptr = (uint8_t *)realloc(b->ptr, b->capacity);
    }
    if (len && ptr) memcpy(b->ptr + b->len, ptr, len);
    b->len += len;
    b->ptr[b->len] = 0;
}

static inline void weir_test_append_text(weir_test_bytes *b, const char *text) {
    weir_test_append(b, text, strlen(text));
}

/* Items and the next position of input. */
typedef struct weir_test_reader {
    weir_str in;
    size_t at;
    weir_item *WEIR_NULLABLE items;
    uint32_t count, capacity;
    int bad;
} weir_test_reader;

static inline weir_str weir_test_line(weir_test_reader *r) {
    weir_str line = {NULL, 0};
    size_t i;
    for (i = r->at; i + 1 < r->in.len; i++)
        if (r->in.ptr[i] == '\r' && r->in.ptr[i + 1] == '\n') {
            line.ptr = r->in.ptr + r->at;
            line.len = i - r->at;
            r->at = i + 2;
            return line;
        }
    r->bad = 1;
    return line;
}

static inline int64_t weir_test_integer(weir_str s) {
    char text[32] = {0};
    memcpy(text, s.ptr, s.len < 31 ? s.len : 31);
    return strtoll(text, NULL, 10);
}

static inline uint32_t weir_test_item(weir_test_reader *r, uint8_t type, uint8_t marker, uint32_t parent) {
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 8;
        r->items = (weir_item *)realloc(r->items, r->capacity * sizeof(weir_item));
    }
    memset(&r->items[r->count], 0, sizeof(weir_item));
    r->items[r->count].type = type;
    r->items[r->count].tag = marker;
    r->items[r->count].parent = parent;
    return r->count++;
}

static inline void weir_test_read(weir_test_reader *r, uint32_t parent, int depth) {
    static const char markers[] = "+-:$*%~>_#,";
    static const uint8_t types[] = {WEIR_T_TEXT, WEIR_T_ERROR, WEIR_T_INT, WEIR_T_BYTES, WEIR_T_LIST, WEIR_T_MAP,
                                    WEIR_T_SET,  WEIR_T_PUSH,  WEIR_T_NULL, WEIR_T_BOOL, WEIR_T_FLOAT};
    uint8_t marker = r->at < r->in.len ? r->in.ptr[r->at] : 0;
    const char *place = marker ? strchr(markers, marker) : NULL;
    uint32_t self, last = 0, child;
    int64_t n, k;
    weir_str line;
    if (!place || depth > 16) { r->bad = 1; return; }
    r->at++;
    line = weir_test_line(r);
    if (r->bad) return;
    self = weir_test_item(r, types[place - markers], marker, parent);
    if (marker == '+' || marker == '-' || marker == ',') r->items[self].bytes = line;
    if (marker == ':') r->items[self].num = weir_test_integer(line);
    if (marker == '#') r->items[self].num = line.len && line.ptr[0] == 't';
    if (!strchr("$*%~>", marker)) return;
    n = weir_test_integer(line);
    if (n < 0) { r->items[self].type = WEIR_T_NULL; return; }
    if (marker == '$') {
        if ((size_t)n + 2 > r->in.len - r->at) { r->bad = 1; return; }
        r->items[self].bytes.ptr = r->in.ptr + r->at;
        r->items[self].bytes.len = (size_t)n;
        r->at += (size_t)n + 2;
        return;
    }
    if (marker == '%') n *= 2;
    for (k = 0; k < n && !r->bad; k++) {
        child = r->count;
        weir_test_read(r, self, depth + 1);
        if (last) r->items[last].next = child;
        last = child;
        r->items[self].count++;
    }
}

static inline void weir_test_write_item(weir_test_bytes *b, const weir_item *items, uint32_t n, uint32_t *at) {
    const weir_item *i;
    char head[48], marker;
    uint32_t k;
    if (*at >= n) return;
    i = &items[(*at)++];
    marker = (char)i->tag;
    switch (i->type) {
    case WEIR_T_NULL: weir_test_append_text(b, marker == '_' ? "_\r\n" : marker == '*' ? "*-1\r\n" : "$-1\r\n"); return;
    case WEIR_T_BOOL: weir_test_append_text(b, i->num ? "#t\r\n" : "#f\r\n"); return;
    case WEIR_T_INT: snprintf(head, sizeof head, ":%lld\r\n", (long long)i->num); break;
    case WEIR_T_BYTES: snprintf(head, sizeof head, "$%zu\r\n", i->bytes.len); break;
    case WEIR_T_TEXT: snprintf(head, sizeof head, "+"); break;
    case WEIR_T_ERROR: snprintf(head, sizeof head, "-"); break;
    case WEIR_T_FLOAT: snprintf(head, sizeof head, ","); break;
    case WEIR_T_MAP: snprintf(head, sizeof head, "%%%u\r\n", i->count / 2); break;
    case WEIR_T_SET: snprintf(head, sizeof head, "~%u\r\n", i->count); break;
    case WEIR_T_PUSH: snprintf(head, sizeof head, ">%u\r\n", i->count); break;
    default: snprintf(head, sizeof head, "*%u\r\n", i->count); break;
    }
    weir_test_append_text(b, head);
    weir_test_append(b, i->bytes.ptr, i->bytes.len);
    if (i->type == WEIR_T_BYTES || i->type == WEIR_T_TEXT || i->type == WEIR_T_ERROR || i->type == WEIR_T_FLOAT)
        weir_test_append_text(b, "\r\n");
    for (k = 0; k < i->count; k++) weir_test_write_item(b, items, n, at);
}

/* Words separated by spaces as a command on the wire; a word may stand in double quotes. */
static inline void weir_test_command_wire(weir_test_bytes *b, const char *line) {
    weir_test_bytes body = {NULL, 0, 0};
    char head[32];
    unsigned words = 0;
    while (*line) {
        const char *from;
        char stop = ' ';
        while (*line == ' ') line++;
        if (!*line) break;
        if (*line == '"') { stop = '"'; line++; }
        for (from = line; *line && *line != stop; line++) {}
        snprintf(head, sizeof head, "$%zu\r\n", (size_t)(line - from));
        weir_test_append_text(&body, head);
        weir_test_append(&body, from, (size_t)(line - from));
        weir_test_append_text(&body, "\r\n");
        if (*line) line++;
        words++;
    }
    snprintf(head, sizeof head, "*%u\r\n", words);
    weir_test_append_text(b, head);
    weir_test_append(b, body.ptr, body.len);
    free(body.ptr);
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
