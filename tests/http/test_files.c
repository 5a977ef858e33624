/* SPDX-License-Identifier: MIT */
/*
 * Files as responses: what is served, what the client has already, and above all what is out of reach.
 */
#include "http/server_fixture.h"

#include "http/open_beneath.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char top[64]; /* holds "root", which is served, and "secret", which is not */
static char root[80];
static struct client client;
static struct reply reply;
static struct server server;

static int answer(edo_http_exchange *x, void *context)
{
    edo_str path = edo_http_path(x);

    (void)context;
    if (path.size >= 7 && memcmp(path.data, "/files/", 7) == 0)
        path = (edo_str){path.data + 6, path.size - 6};
    return edo_http_send_file(x, root, path);
}

static void make_file(const char *name, const char *data, size_t size)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", top, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static void make_link(const char *name, const char *target)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", top, name);
    assert_int_equal(symlink(target, path), 0);
}

static void make_directory(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", top, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static char large[100000];

static int set_up(void **state)
{
    char path[256];

    (void)state;
    snprintf(top, sizeof top, "/tmp/edo-test-files-XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(root, sizeof root, "%s/root", top);
    make_file("secret", "secret", 6);
    make_directory("root");
    make_file("root/hello.txt", "hello", 5);
    make_file("root/a b", "space", 5);
    make_file("root/empty.css", "", 0);
    make_file("root/.hidden", "hidden", 6);
    make_directory("root/.well-known");
    make_file("root/.well-known/x.json", "{}", 2);
    make_directory("root/sub");
    make_file("root/sub/index.html", "<p>index", 8);
    make_directory("root/bare");
    make_link("root/inside", "sub/index.html");
    make_link("root/outside", "../secret");
    make_link("root/absolute", "/etc/passwd");
    make_link("root/up", "..");
    make_link("root/loop", "loop");
    snprintf(path, sizeof path, "%s/pipe", root);
    assert_int_equal(mkfifo(path, 0644), 0);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 11 % 253);
    make_file("root/large.bin", large, sizeof large);
    server_start(&server, answer);
    client_connect(&client, &server);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    server_stop(&server);
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void ask(const char *method, const char *target, const char *more)
{
    char text[1024];

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, more);
    client_send(&client, text);
    if (strcmp(method, "HEAD") == 0)
        client_head(&reply, &client);
    else
        client_reply(&reply, &client);
}

static void get(const char *target)
{
    ask("GET", target, "");
}

static void test_files_are_sent_with_their_type_and_size(void **state)
{
    (void)state;
    get("/hello.txt");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "hello");
    assert_text(reply_header(&reply, "Content-Type"), "text/plain; charset=utf-8");
    assert_text(reply_header(&reply, "Content-Length"), "5");
    assert_text(reply_header(&reply, "X-Content-Type-Options"), "nosniff");
    get("/files/a%20b");
    assert_string_equal(reply.body, "space");
    assert_text(reply_header(&reply, "Content-Type"), "application/octet-stream");
    get("/empty.css");
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.size, 0);
    if (!EDO_TEST_EMULATED) { /* without openat2(2), which emulators lack, no symbolic link is followed */
        get("/inside");
        assert_string_equal(reply.body, "<p>index");
    }
    get("/.well-known/x.json");
    assert_string_equal(reply.body, "{}");
    get("/large.bin");
    assert_int_equal(reply.size, sizeof large);
    assert_memory_equal(reply.body, large, sizeof large);
    ask("HEAD", "/large.bin", "");
    assert_text(reply_header(&reply, "Content-Length"), "100000");
    get("/sub/../hello.txt"); /* stays inside */
    assert_string_equal(reply.body, "hello");
}

static void test_a_directory_stands_for_its_index(void **state)
{
    (void)state;
    get("/sub/");
    assert_string_equal(reply.body, "<p>index");
    assert_text(reply_header(&reply, "Content-Type"), "text/html; charset=utf-8");
    get("/files/sub?x=1");
    assert_int_equal(reply.status, 308);
    assert_text(reply_header(&reply, "Location"), "./sub/?x=1");
    get("//sub"); /* no way to be sent elsewhere */
    assert_text(reply_header(&reply, "Location"), "./sub/");
    get("/bare/");
    assert_int_equal(reply.status, 404);
    get("/");
    assert_int_equal(reply.status, 404);
    get("/hello.txt/");
    assert_int_equal(reply.status, 404);
}

static void test_nothing_outside_the_directory_can_be_reached(void **state)
{
    static const char *const targets[] = {
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E/secret",
        "/.%2e/secret",
        "/..%2fsecret",
        "/..%2Fsecret",
        "/sub%2f..%2f..%2fsecret",
        "/outside",
        "/absolute",
        "/up/secret",
        "/up/",
        "/files/../../secret",
        "/%00",
        "/hello.txt%00",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/..",
        "/loop",
        "/%",
        "/..%5csecret",
        "/%252e%252e/secret",
        "/....//secret",
        "/sub/%2e%2e/%2e%2e/secret",
    };

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(targets); i++) {
        get(targets[i]);
        if (reply.status != 400 && reply.status != 404)
            fail_msg("%s: %d %s", targets[i], reply.status, reply.body);
        assert_null(strstr(reply.body, "secret"));
        assert_null(strstr(reply.body, "root:"));
    }
}

static void test_hidden_names_do_not_exist(void **state)
{
    (void)state;
    get("/.hidden");
    assert_int_equal(reply.status, 404);
    get("/%2ehidden");
    assert_int_equal(reply.status, 404);
    get("/.well-known-not/x.json");
    assert_int_equal(reply.status, 404);
}

static void test_what_is_no_file_is_not_waited_for(void **state)
{
    (void)state;
    get("/pipe");
    assert_int_equal(reply.status, 403);
}

static void test_only_get_and_head(void **state)
{
    (void)state;
    ask("DELETE", "/hello.txt", "");
    assert_int_equal(reply.status, 405);
    assert_text(reply_header(&reply, "Allow"), "GET, HEAD");
}

static void test_what_the_client_has_is_not_sent_again(void **state)
{
    char more[8192], modified[4096];

    (void)state;
    get("/hello.txt");
    snprintf(modified, sizeof modified, "%s", reply_header(&reply, "Last-Modified"));
    snprintf(more, sizeof more, "If-Modified-Since: %s\r\n", modified);
    ask("GET", "/hello.txt", more);
    assert_int_equal(reply.status, 304);
    assert_int_equal(client.size, 0);
    ask("GET", "/hello.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    assert_int_equal(reply.status, 200);
    ask("GET", "/hello.txt", "If-Modified-Since: rubbish\r\n");
    assert_int_equal(reply.status, 200);
    get("/hello.txt");
    snprintf(more, sizeof more, "If-None-Match: \"x\", W/%s\r\n", reply_header(&reply, "ETag"));
    ask("GET", "/hello.txt", more);
    assert_int_equal(reply.status, 304);
    ask("GET", "/hello.txt", "If-None-Match: *\r\n");
    assert_int_equal(reply.status, 304);
    snprintf(more, sizeof more, "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", modified); /* the tag counts */
    ask("GET", "/hello.txt", more);
    assert_int_equal(reply.status, 200);
}

static void test_a_directory_that_is_not_there_is_500(void **state)
{
    char kept[sizeof root];

    (void)state;
    memcpy(kept, root, sizeof root);
    strcpy(root, "/nonexistent");
    get("/hello.txt");
    memcpy(root, kept, sizeof root);
    assert_int_equal(reply.status, 500);
}

/* What kernels without openat2 get: no symbolic link at all. */
static void test_stepwise_opening_stays_beneath_too(void **state)
{
    static const char *const refused[] = {"../secret", "sub/../../secret", "outside",     "absolute",
                                          "up/secret", "inside",           "/etc/passwd", "",
                                          "sub/..",    "nonexistent/x",    "hello.txt/x", "hello.txt/"};
    int directory = open(root, O_PATH | O_DIRECTORY);
    char data[16];
    int fd;

    (void)state;
    fd = edo_http_open_stepwise(directory, "sub/index.html");
    assert_true(fd >= 0);
    assert_int_equal(read(fd, data, sizeof data), 8);
    close(fd);
    fd = edo_http_open_stepwise(directory, "sub/");
    assert_true(fd >= 0);
    close(fd);
    fd = edo_http_open_stepwise(directory, ".");
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < EDO_COUNT(refused); i++)
        if (edo_http_open_stepwise(directory, refused[i]) >= 0)
            fail_msg("'%s' was opened", refused[i]);
    close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_sent_with_their_type_and_size),
        cmocka_unit_test(test_a_directory_stands_for_its_index),
        cmocka_unit_test(test_nothing_outside_the_directory_can_be_reached),
        cmocka_unit_test(test_hidden_names_do_not_exist),
        cmocka_unit_test(test_what_is_no_file_is_not_waited_for),
        cmocka_unit_test(test_only_get_and_head),
        cmocka_unit_test(test_what_the_client_has_is_not_sent_again),
        cmocka_unit_test(test_a_directory_that_is_not_there_is_500),
        cmocka_unit_test(test_stepwise_opening_stays_beneath_too),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
