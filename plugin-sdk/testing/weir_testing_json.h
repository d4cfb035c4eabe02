/* weir_testing_json.h - JSON text as the tape that configure() gets.  Part of weir_testing.h.
 *
 * For tests: it takes well-formed JSON and answers NULL to anything else.  Strings are copied
 * with their escapes resolved (\u of ASCII only).
 */
#ifndef WEIR_TESTING_JSON_H
#define WEIR_TESTING_JSON_H

#include "../CWeir/include/weir.h"

#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct weir_test_json {
    const char *at;
    weir_item *WEIR_NULLABLE items;
    uint32_t count, capacity;
    int bad;
} weir_test_json;

static inline uint32_t weir_test_json_add(weir_test_json *j, uint8_t type, uint32_t parent) {
    if (j->count == j->capacity) {
        j->capacity = j->capacity ? j->capacity * 2 : 16;
        j->items = (weir_item *)realloc(j->items, j->capacity * sizeof(weir_item));
    }
    memset(&j->items[j->count], 0, sizeof(weir_item));
    j->items[j->count].type = type;
    j->items[j->count].parent = parent;
    return j->count++;
}

static inline void weir_test_json_space(weir_test_json *j) {
    while (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r') j->at++;
}

static inline int weir_test_json_word(weir_test_json *j, const char *word) {
    size_t n = strlen(word);
    if (strncmp(j->at, word, n)) return 0;
    j->at += n;
    return 1;
}

static inline void weir_test_json_string(weir_test_json *j, uint32_t parent) {
    uint32_t item = weir_test_json_add(j, WEIR_T_TEXT, parent);
    uint8_t *text = (uint8_t *)malloc(strlen(j->at) + 1);
    size_t n = 0;
    for (j->at++; *j->at && *j->at != '"'; j->at++) {
        char c = *j->at;
        if (c == '\\') {
            c = *++j->at;
            if (!c) break;
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'r') c = '\r';
            else if (c == 'u' && strlen(j->at) > 4) {
                char hex[5];
                memcpy(hex, j->at + 1, 4);
                hex[4] = 0;
                c = (char)strtol(hex, NULL, 16);
                j->at += 4;
            }
        }
        text[n++] = (uint8_t)c;
    }
    if (*j->at == '"') j->at++;
    else j->bad = 1;
    j->items[item].bytes.ptr = text;
    j->items[item].bytes.len = n;
}

static inline void weir_test_json_value(weir_test_json *j, uint32_t parent, int depth);

static inline void weir_test_json_container(weir_test_json *j, uint32_t parent, int depth, char close, uint8_t type) {
    uint32_t self = weir_test_json_add(j, type, parent), last = 0, child;
    j->at++;
    weir_test_json_space(j);
    while (!j->bad && *j->at && *j->at != close) {
        int is_key = type == WEIR_T_MAP && j->items[self].count % 2 == 0;
        child = j->count;
        if (is_key && *j->at != '"') j->bad = 1;
        else weir_test_json_value(j, self, depth + 1);
        if (j->bad) return;
        if (last) j->items[last].next = child;
        last = child;
        j->items[self].count++;
        weir_test_json_space(j);
        if (is_key) {
            if (*j->at != ':') { j->bad = 1; return; }
            j->at++;
        } else if (*j->at == ',') {
            j->at++;
        } else if (*j->at != close) {
            j->bad = 1;
            return;
        }
        weir_test_json_space(j);
    }
    if (*j->at == close) j->at++;
    else j->bad = 1;
}

static inline void weir_test_json_number(weir_test_json *j, uint32_t parent) {
    char *end_integer, *end_float;
    long long integer = strtoll(j->at, &end_integer, 10);
    double number = strtod(j->at, &end_float);
    uint32_t item;
    if (end_float == j->at) { j->bad = 1; return; }
    item = weir_test_json_add(j, end_float > end_integer ? WEIR_T_FLOAT : WEIR_T_INT, parent);
    if (end_float > end_integer) memcpy(&j->items[item].num, &number, sizeof number);
    else j->items[item].num = integer;
    j->at = end_float;
}

static inline void weir_test_json_value(weir_test_json *j, uint32_t parent, int depth) {
    weir_test_json_space(j);
    if (depth > 32) j->bad = 1;
    else if (*j->at == '{') weir_test_json_container(j, parent, depth, '}', WEIR_T_MAP);
    else if (*j->at == '[') weir_test_json_container(j, parent, depth, ']', WEIR_T_LIST);
    else if (*j->at == '"') weir_test_json_string(j, parent);
    else if (weir_test_json_word(j, "null")) weir_test_json_add(j, WEIR_T_NULL, parent);
    else if (weir_test_json_word(j, "false")) weir_test_json_add(j, WEIR_T_BOOL, parent);
    else if (weir_test_json_word(j, "true")) j->items[weir_test_json_add(j, WEIR_T_BOOL, parent)].num = 1;
    else weir_test_json_number(j, parent);
}

static inline void weir_test_tape_free(weir_tape *WEIR_NULLABLE t) {
    if (!t) return;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->items[i].type == WEIR_T_TEXT) free((void *)t->items[i].bytes.ptr);
    free((void *)t->items);
    free(t);
}

/* The caller frees it with weir_test_tape_free; NULL: not JSON. */
static inline weir_tape *WEIR_NULLABLE weir_test_json_parse(const char *text) {
    weir_test_json j = {text, NULL, 0, 0, 0};
    weir_tape *t = (weir_tape *)calloc(1, sizeof *t);
    weir_test_json_value(&j, 0, 0);
    weir_test_json_space(&j);
    t->size = sizeof *t;
    t->count = j.count;
    t->items = j.items;
    if (j.bad || *j.at) {
        weir_test_tape_free(t);
        return NULL;
    }
    return t;
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
