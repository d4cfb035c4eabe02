/* @TRANSFORM@: refuses requests that are larger than an option says, and counts them.
 *
 * A plugin exports one function, which returns static tables.  The host calls, in this order:
 *   configure     once per place in the topology: reads the options           (main thread)
 *   worker_start  once per worker: opens what the worker needs                 (worker)
 *   on_requests   for each batch of requests                                   (worker)
 *   worker_stop, unconfigure
 * What is not disposed of in on_requests moves on when it returns.
 */
#include "weir.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

/* One per worker: no locks. */
typedef struct limiter {
    uint32_t maximum_byte_count;
    uint64_t *refused;                   /* a cell of the metric weir_too_large_requests_total */
} limiter;

/* One per place in the topology: shared by all workers, so never changed after configure. */
typedef struct options {
    uint32_t maximum_byte_count;
} options;

static weir_status configure(const weir_config *c, void **site_state) {
    /* The options are valid against the schema below, with defaults filled in. */
    uint32_t item = weir_member(c->values, 0, "max_bytes");
    int64_t maximum = item ? c->values->items[item].num : 0;
    options *o;
    if (maximum < 1 || maximum > UINT32_MAX) {
        c->host->report(c, WEIR_LOG_ERROR, "/max_bytes", weir_cstr("must be from 1 B to 4 GiB"));
        return WEIR_E_INVALID;
    }
    o = malloc(sizeof *o);
    if (!o) return WEIR_E_INTERNAL;
    o->maximum_byte_count = (uint32_t)maximum;
    *site_state = o;
    return WEIR_OK;
}

static weir_status worker_start(void *site_state, weir_site *site, weir_worker *w, void **worker_state) {
    const weir_metrics_v1 *metrics = w->host->extension(w->host, WEIR_EXT_METRICS);
    limiter *l = malloc(sizeof *l);
    if (!metrics || !l) {
        free(l);
        return WEIR_E_INTERNAL;
    }
    l->maximum_byte_count = ((const options *)site_state)->maximum_byte_count;
    l->refused = metrics->counter(site, w, "too_large_requests_total", "");
    *worker_state = l;
    return WEIR_OK;
}

static void refuse(const weir_host *host, limiter *l, weir_msg *request) {
    char text[96];
    snprintf(text, sizeof text, "a request of %u bytes is larger than %u", request->wire_len, l->maximum_byte_count);
    if (l->refused) ++*l->refused;
    host->fail(request, WEIR_E_REJECTED, weir_cstr(text));
}

/* For each batch: keep this short, and allocate nothing. */
static void on_requests(void *state, const weir_batch *b) {
    limiter *l = state;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->msgs[i]->wire_len > l->maximum_byte_count) refuse(b->conn->worker->host, l, b->msgs[i]);
}

static const weir_transform transform = {
    .size = sizeof transform,
    .id = "@TRANSFORM@",
    .version = "0.1.0",
    .summary = "refuses requests that are too large",
    .accepts = "*",
    .emits = "=",
    .requires_ext = WEIR_EXT_METRICS,
    .config_schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"max_bytes\":{\"type\":\"integer\",\"x-unit\":\"bytes\",\"minimum\":1,\"default\":\"1MiB\","
        "\"description\":\"Larger requests are refused.\"}}}",
    .configure = configure,
    .unconfigure = free,
    .worker_start = worker_start,
    .worker_stop = free,
    .on_requests = on_requests,
};

static const weir_transform *const transforms[] = {&transform};

static const weir_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = WEIR_ABI_MINOR,
    .abi_minor_min = 0,
    .name = "@NAME@",
    .version = "0.1.0",
    .built_with = "C, weir.h 1." TEXT(WEIR_ABI_MINOR),
    .transform_count = 1,
    .transforms = transforms,
};

/* Read by the host before it runs anything of this library. */
__attribute__((section(WEIR_NOTE_SECTION), used)) static const char note[] =
    "weir 1." TEXT(WEIR_ABI_MINOR) " @NAME@ 0.1.0\n";

WEIR_EXPORT const weir_plugin *weir_plugin_v1(const weir_host *host) {
    (void)host;
    return &plugin;
}
