/* Tests of @TRANSFORM@ on the SDK's test host: no network, no clock. */
#include "weir_testing.h"

#include <stdio.h>

static int failures;
#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            failures++;                                                       \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
        }                                                                     \
    } while (0)

static void a_small_request_passes_and_a_large_one_is_refused(void) {
    weir_test_host *h = weir_test_new(weir_plugin_v1);
    weir_test_site *site = weir_test_configure(h, "@TRANSFORM@", "{\"max_bytes\":40}");
    weir_test_conn *client;
    weir_test_msg *small, *large;
    CHECK(site != NULL);
    if (!site) return;
    client = weir_test_connect(site);
    small = weir_test_request(client, "SET k v");
    large = weir_test_request(client, "SET k a-value-that-is-too-long");
    CHECK(small->state == WEIR_TEST_PASSED);
    CHECK(large->state == WEIR_TEST_FAILED);
    CHECK(!strcmp(weir_test_answer(large), "-ERR a request of 51 bytes is larger than 40\r\n"));
    CHECK(weir_test_metric_value(h, "too_large_requests_total", "") == 1);
    CHECK(h->misuse_count == 0);
    weir_test_free(h);
}

static void a_limit_of_zero_is_refused_where_it_stands(void) {
    weir_test_host *h = weir_test_new(weir_plugin_v1);
    CHECK(weir_test_configure(h, "@TRANSFORM@", "{\"max_bytes\":0}") == NULL);
    CHECK(!strncmp((const char *)h->log.ptr, "/max_bytes: ERROR", 17));
    weir_test_free(h);
}

int main(void) {
    a_small_request_passes_and_a_large_one_is_refused();
    a_limit_of_zero_is_refused_where_it_stands();
    printf("%s\n", failures ? "failed" : "ok");
    return failures != 0;
}
