/* SPDX-License-Identifier: MIT */
/*
 * A program with a console, on a thread of its own, and clients as strangers are (http/server_fixture.h). The program
 * does what a test's function does, and that lets it go on from one step to the next.
 */
#ifndef EDO_TESTS_CONSOLE_PROGRAM_H
#define EDO_TESTS_CONSOLE_PROGRAM_H

#include "http/server_fixture.h"

#include <edo/console.h>

#include <errno.h>
#include <fcntl.h>

struct program {
    edo_task_fn body;
    edo_run_options options;
    pthread_t thread;
    uint32_t step;   /* how far the program is */
    uint32_t wanted; /* how far it may go */
    int result;
    bool runs;
    struct server server; /* for clients: its port */
};

/* The one that runs; tests' bodies get it as their argument. */
static inline void program_says(struct program *program, uint32_t step)
{
    __atomic_store_n(&program->step, step, __ATOMIC_SEQ_CST);
    edo_wake_word(&program->step, INT_MAX);
}

static inline void program_waits(struct program *program, uint32_t step)
{
    uint32_t now;

    while ((now = __atomic_load_n(&program->wanted, __ATOMIC_SEQ_CST)) < step)
        if (edo_wait_word(&program->wanted, now, EDO_FOREVER) == -ECANCELED)
            return;
}

static inline void program_reaches(struct program *program, uint32_t step)
{
    uint32_t now;

    while ((now = __atomic_load_n(&program->step, __ATOMIC_SEQ_CST)) < step)
        edo_wait_word(&program->step, now, EDO_FOREVER);
}

static inline void program_lets(struct program *program, uint32_t step)
{
    __atomic_store_n(&program->wanted, step, __ATOMIC_SEQ_CST);
    edo_wake_word(&program->wanted, INT_MAX);
}

static void *program_main(void *argument)
{
    struct program *program = argument;

    program->result = edo_run(program->body, program, &program->options);
    return NULL;
}

/* Starts one, which must say step 1 once it is as the test wants it. Options other than these are the test's. */
static inline void program_start(struct program *program, edo_task_fn body)
{
    edo_addr address;

    program->body = body;
    program->options.size = sizeof program->options;
    program->options.signals = EDO_SIGNALS_IGNORE;
    if (!program->options.console)
        program->options.console = "0";
    program->step = program->wanted = 0;
    assert_int_equal(pthread_create(&program->thread, NULL, program_main, program), 0);
    program->runs = true;
    program_reaches(program, 1);
    program->server.port = 0;
    if (edo_console_address(&address) == 0)
        program->server.port = (uint32_t)edo_addr_port(&address);
}

/*
 * Lets it go on for good, if it runs, and waits for its end. For teardowns: so a test that fails leaves nothing behind.
 */
static inline void program_stop(struct program *program)
{
    if (!program->runs)
        return;
    program_lets(program, UINT32_MAX);
    pthread_join(program->thread, NULL);
    program->runs = false;
}

/* It must end well. */
static inline void program_end(struct program *program)
{
    program_stop(program);
    assert_int_equal(program->result, 0);
}

/* --- Requests ----------------------------------------------------------------------------------------------------- */

static inline void asked_on(struct reply *reply, struct client *client, const char *path)
{
    char request[4096];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    client_send(client, request);
    client_reply(reply, client);
}

/* A request on a connection of its own. */
static inline void asked(struct reply *reply, struct program *program, const char *path)
{
    static struct client client;

    client_connect(&client, &program->server);
    asked_on(reply, &client, path);
    client_close(&client);
}

static inline void assert_has(const struct reply *reply, const char *text)
{
    if (!strstr(reply->body, text))
        fail_msg("'%s' is not in: %s", text, reply->body);
}

static inline void assert_has_not(const struct reply *reply, const char *text)
{
    if (strstr(reply->body, text))
        fail_msg("'%s' is in: %s", text, reply->body);
}

/* The number behind "key":, the first one; -1: there is none. */
static inline long long number_of(const char *text, const char *key)
{
    char quoted[64];
    const char *at;

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    at = strstr(text, quoted);
    return at ? strtoll(at + strlen(quoted) + (at[strlen(quoted)] == '"'), NULL, 10) : -1;
}

/* --- What goes to stderr ------------------------------------------------------------------------------------------ */

struct said {
    int before;
    int file;
    char text[8192];
};

static inline void said_begin(struct said *said)
{
    char path[] = "/tmp/edo-console-said-XXXXXX";

    fflush(stderr);
    said->file = mkstemp(path);
    assert_true(said->file >= 0);
    unlink(path);
    said->before = dup(STDERR_FILENO);
    dup2(said->file, STDERR_FILENO);
}

static inline void said_end(struct said *said)
{
    ssize_t size;

    fflush(stderr);
    dup2(said->before, STDERR_FILENO);
    close(said->before);
    size = pread(said->file, said->text, sizeof said->text - 1, 0);
    said->text[size > 0 ? size : 0] = '\0';
    close(said->file);
}

#endif
