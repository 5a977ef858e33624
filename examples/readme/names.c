/* SPDX-License-Identifier: MIT */
/* The examples of docs/guide/names.md, word for word (docs/check.sh compares), and a main that runs them. */
#include <edo/edo.h>
#include <edo/testing.h>

#include <stdio.h>

static int print_addresses(const char *host_and_port)
{
    edo_addr addresses[8];
    int count = edo_resolve(addresses, 8, host_and_port, NULL);

    for (int i = 0; i < count; i++) {
        char text[EDO_ADDR_TEXT_SIZE];

        if (edo_addr_print(text, sizeof text, &addresses[i]) > 0)
            puts(text);
    }
    return count < 0 ? count : 0;
}

static int connect_in_time(edo_stream **out, const char *host_and_port)
{
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(5), &rc) /* the name, and all attempts */
        rc = edo_tcp_connect(out, host_and_port, NULL);
    return rc; /* -ETIMEDOUT; EDO_EDNS_UNKNOWN; -ECONNREFUSED; ... */
}

static int one_server_is_away(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    int64_t start = edo_now();
    int rc = edo_tcp_listen(&listener, "10.0.0.2:80", NULL);

    (void)argument;
    edo_test_host("shop.example", "10.0.0.1 10.0.0.2", EDO_MS(30)); /* the answer takes 30 ms */
    edo_test_partition(NULL, "10.0.0.1");                           /* nothing comes back from there */
    if (rc == 0)
        rc = connect_in_time(&stream, "shop.example:80");
    if (rc == 0 && edo_now() - start < EDO_MS(280)) /* 30 for the name, 250 of patience with the first address */
        rc = -EIO;
    return rc;
}

static int addresses(void *argument)
{
    (void)argument;
    edo_test_host("shop.example", "10.0.0.1 2001:db8::1 10.0.0.2", 0);
    return print_addresses("shop.example:80");
}

int main(void)
{
    int rc = edo_test_run(addresses, NULL, NULL);

    return rc == 0 ? edo_test_run(one_server_is_away, NULL, NULL) != 0 : 1;
}
