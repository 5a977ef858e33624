/* SPDX-License-Identifier: MIT */
/*
 * The console's life. See console.h (here) for how it is made, edo/console.h for what it promises.
 *
 * The library makes itself known to the runtime before main. start has a thread run a runtime that is not observed, and
 * waits until that listens, or has failed; stop tells its root task by `stop`, and joins the thread. Under the
 * runtime's lock, so one at a time.
 *
 * Where it listens is for everybody, under `lock`.
 */
#include "console/console.h"

#include <edo/console.h>
#include <edo/edo.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * What the kernel keeps of what a client has not taken: a page that is loaded is larger, but events that are older than
 * that are of no use.
 */
enum { SEND_BUFFER = 64 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static edo_addr listens;
static _Atomic pid_t
    served_by; /* 0: nobody; a child of fork(2) does not, and must not take a lock that may have been held then */

/* To the starting thread, once. */
static void tell(struct edo_console *console, int rc)
{
    pthread_mutex_lock(&console->lock);
    if (!console->told)
        console->rc = rc;
    console->told = true;
    pthread_cond_signal(&console->changed);
    pthread_mutex_unlock(&console->lock);
}

static int wait_until_told(struct edo_console *console)
{
    pthread_mutex_lock(&console->lock);
    while (!console->told)
        pthread_cond_wait(&console->changed, &console->lock);
    pthread_mutex_unlock(&console->lock);
    return console->rc;
}

/* --- In its runtime ----------------------------------------------------------------------------------------------- */

struct serving {
    struct edo_console *console;
    edo_listener *listener;
};

static int serve(void *argument)
{
    struct serving *serving = (struct serving *)argument;

    return edo_http_serve(serving->listener, edo_console_handle, serving->console,
                          EDO_OPTIONS(edo_http_server_options, .max_connections = EDO_CONSOLE_CONNECTIONS,
                                      .max_line = 2048, .max_head = 16384, .max_body = 1, .drain = -1));
}

/* As long as the program wants it, whatever becomes of the server. */
static int attend(struct edo_console *console, edo_listener *listener)
{
    struct serving serving = {console, listener};
    edo_scope scope;
    int rc = edo_scope_begin(&scope, EDO_HERE, EDO_OPTIONS(edo_scope_options, .policy = EDO_SUPERVISE));

    if (rc < 0)
        return rc;
    rc = edo_spawn(&scope, serve, &serving, .name = "console");
    if (rc == 0)
        edo_notify_wait(&console->stop);
    edo_scope_cancel(&scope);
    edo_scope_end(&scope, 0);
    return rc;
}

static int live(void *argument)
{
    struct edo_console *console = (struct edo_console *)argument;
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = edo_listen(&listener, &console->address, EDO_OPTIONS(edo_listen_options, .send_buffer = SEND_BUFFER));

    if (rc == 0)
        rc = edo_listener_addr(&console->address, listener);
    tell(console, rc);
    if (rc == 0)
        rc = attend(console, listener);
    edo_console_looks_finish(&console->looks);
    return rc;
}

static void *thread_main(void *argument)
{
    int rc = edo_run(live, argument,
                     EDO_OPTIONS(edo_run_options, .workers = 1, .unobserved = true, .signals = EDO_SIGNALS_IGNORE,
                                 .stall_after = EDO_FOREVER, .console = "", .resident_stacks = 4));

    tell((struct edo_console *)argument, rc); /* `live` has, unless it was not even run */
    return NULL;
}

/* --- Outside ------------------------------------------------------------------------------------------------------ */

/* Reads "127.0.0.1:6669", "[::1]:6669", "6669", "localhost:6669". */
static int read_address(edo_addr *out, const char *text)
{
    char whole[64];
    bool port = *text >= '0' && *text <= '9' && strspn(text, "0123456789") == strlen(text);
    int size = port                                   ? snprintf(whole, sizeof whole, "127.0.0.1:%s", text)
               : strncmp(text, "localhost:", 10) == 0 ? snprintf(whole, sizeof whole, "127.0.0.1:%s", text + 10)
                                                      : snprintf(whole, sizeof whole, "%s", text);

    return size < (int)sizeof whole ? edo_addr_parse(out, whole) : -EINVAL;
}

static bool is_loopback(const edo_addr *address)
{
    socklen_t size;
    const struct sockaddr *any = edo_addr_sockaddr(address, &size);
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)(const void *)any;

    if (any->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)any)->sin_addr.s_addr) >> 24 == 127;
    return any->sa_family == AF_INET6 && (IN6_IS_ADDR_LOOPBACK(&ip6->sin6_addr) ||
                                          (IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr) && ip6->sin6_addr.s6_addr[12] == 127));
}

static bool is_ip(const edo_addr *address)
{
    socklen_t size;
    const struct sockaddr *any = edo_addr_sockaddr(address, &size);

    return any->sa_family == AF_INET || any->sa_family == AF_INET6;
}

static void publish(const edo_addr *address)
{
    pthread_mutex_lock(&lock);
    if (address)
        listens = *address;
    served_by = address ? getpid() : 0;
    pthread_mutex_unlock(&lock);
}

int edo_console_address(edo_addr *out)
{
    bool there;

    if (served_by != getpid())
        return -ENOENT;
    pthread_mutex_lock(&lock);
    there = served_by != 0;
    if (there)
        *out = listens;
    pthread_mutex_unlock(&lock);
    return there ? 0 : -ENOENT;
}

static void say_why(const struct edo_console *console, int rc)
{
    char text[EDO_ADDR_TEXT_SIZE] = "";

    edo_addr_print(text, sizeof text, &console->address);
    if (rc == -EADDRINUSE)
        fprintf(stderr, "edo: no console: %s is in use; the program runs on\n", text);
    else
        fprintf(stderr, "edo: no console at %s: %s; the program runs on\n", text, edo_strerror(rc));
}

static void say_where(const struct edo_console *console)
{
    char text[EDO_ADDR_TEXT_SIZE] = "";

    edo_addr_print(text, sizeof text, &console->address);
    fprintf(stderr, "edo: console at http://%s/\n", text);
    if (!is_loopback(&console->address))
        fprintf(stderr, "edo: the console's address is no loopback: whoever reaches it sees into this program\n");
}

/* Signals are for the program's threads: the console's gets those alone that it makes itself. */
static int start_thread(struct edo_console *console)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    for (size_t i = 0; i < EDO_COUNT(own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&console->thread, NULL, thread_main, console);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static void destroy(struct edo_console *console)
{
    edo_console_stalls_finish(&console->stalls);
    pthread_cond_destroy(&console->changed);
    pthread_mutex_destroy(&console->lock);
    edo_notify_finish(&console->stop);
    edo_release(console);
}

static int start(void **out, const char *address)
{
    struct edo_console *console = (struct edo_console *)edo_allocate(sizeof *console);
    int rc = console ? edo_console_stalls_init(&console->stalls) : -ENOMEM;

    if (rc < 0) {
        fprintf(stderr, "edo: no console: %s; the program runs on\n", edo_strerror(rc));
        edo_release(console);
        return rc;
    }
    edo_notify_init(&console->stop);
    pthread_mutex_init(&console->lock, NULL);
    pthread_cond_init(&console->changed, NULL);
    edo_console_looks_init(&console->looks);
    rc = read_address(&console->address, address);
    if (rc < 0 || !is_ip(&console->address)) {
        fprintf(
            stderr,
            "edo: no console: \"%.40s\" is no address; give one like 127.0.0.1:6669, [::1]:6669 or 6669; the program "
            "runs on\n",
            address);
        destroy(console);
        return rc < 0 ? rc : -EINVAL;
    }
    rc = start_thread(console);
    if (rc == 0 && (rc = wait_until_told(console)) < 0)
        pthread_join(console->thread, NULL);
    if (rc < 0) {
        say_why(console, rc);
        destroy(console);
        return rc;
    }
    say_where(console);
    publish(&console->address);
    *out = console;
    return 0;
}

static void stop(void *argument)
{
    struct edo_console *console = (struct edo_console *)argument;

    publish(NULL);
    edo_notify_one(&console->stop);
    pthread_join(console->thread, NULL);
    destroy(console);
}

static void stall(void *argument, const edo_stall *report)
{
    edo_console_stalls_add(&((struct edo_console *)argument)->stalls, report);
}

static const edo_console_hooks hooks = {sizeof hooks, start, stop, stall};

__attribute__((constructor)) static void make_known(void)
{
    edo_console_register(&hooks);
}
