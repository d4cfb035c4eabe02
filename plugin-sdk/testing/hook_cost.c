/* hook_cost LIBRARY TRANSFORM OPTIONS: what the hooks of a transform cost, in nanoseconds.
 *
 *     cc -O2 -o hook_cost hook_cost.c -ldl
 *     ./hook_cost libEssentials.so QueryCounter '{"counter_name":"main"}'
 *
 * Batches of GETs that the transform lets pass; the best of seven runs.  Log lines are off.
 */
#define _GNU_SOURCE
#include "weir_testing.h"

#include <dlfcn.h>
#include <time.h>

enum { MESSAGES = 2000000, MAXIMUM_BATCH = 64, RUNS = 7 };

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *name, void (*hook)(void *, const weir_batch *), weir_test_conn *c, weir_msg **list) {
    for (uint32_t n = 1; n <= MAXIMUM_BATCH; n *= 8) {
        uint64_t tags[MAXIMUM_BATCH] = {0};
        weir_batch b = {sizeof b, n, &c->pub, list, tags};
        double best = 1e18;
        for (int run = 0; run < RUNS; run++) {
            double start = now_ns();
            for (uint32_t i = 0; i < MESSAGES / n; i++) hook(c->state, &b);
            double took = (now_ns() - start) / (MESSAGES / n);
            if (took < best) best = took;
        }
        printf("%-10s %2u messages: %6.1f per batch, %5.2f per message\n", name, n, best, best / n);
    }
}

int main(int argc, char **argv) {
    void *library = argc == 4 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    weir_plugin_entry entry = library ? (weir_plugin_entry)dlsym(library, WEIR_ENTRY_SYMBOL) : NULL;
    weir_msg *requests[MAXIMUM_BATCH], *responses[MAXIMUM_BATCH];
    weir_test_host *h;
    weir_test_site *site;
    weir_test_conn *c;
    if (!entry) {
        fprintf(stderr, "usage: hook_cost LIBRARY TRANSFORM OPTIONS\n%s\n", argc == 4 ? dlerror() : "");
        return 64;
    }
    h = weir_test_new(entry);
    h->worker.log_level = WEIR_LOG_ERROR + 1;
    site = weir_test_configure(h, argv[2], argv[3]);
    c = site ? weir_test_connect(site) : NULL;
    if (!c) {
        fprintf(stderr, "%s", h->log.ptr ? (const char *)h->log.ptr : "refused\n");
        return 1;
    }
    for (int i = 0; i < MAXIMUM_BATCH; i++) {
        requests[i] = &weir_test_prepare(c, "GET key")->pub;
        responses[i] = &weir_test_message(h, WEIR_RESPONSE, "$1\r\nv\r\n", 7)->pub;
    }
    if (site->transform->on_requests) measure("requests", site->transform->on_requests, c, requests);
    if (site->transform->on_responses) measure("responses", site->transform->on_responses, c, responses);
    return 0;
}
