/* SPDX-License-Identifier: MIT */
/*
 * Starting a server and a load, and telling the load what to do. The HTTP floor is told the bytes that Edo's
 * server answers, so that both send the same.
 */
#include "contender.h"

#include "measure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int trouble(struct bench_contender *contender, int rc, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(contender->trouble, sizeof contender->trouble, format, arguments);
    va_end(arguments);
    return rc;
}

/* Tells the load something and gets what comes behind "ok ". */
static int tell(struct bench_contender *contender, const char *command, char *answer, size_t size)
{
    int rc = bench_process_say(&contender->load, command);

    if (rc == 0)
        rc = bench_process_line(&contender->load, answer, size, 60);
    if (rc <= 0)
        return trouble(contender, rc ? rc : -EPIPE, "the load generator did not answer");
    if (strncmp(answer, "ok ", 3) != 0)
        return trouble(contender, -EPROTO, "load: %.100s", answer);
    memmove(answer, answer + 3, strlen(answer + 3) + 1);
    return 0;
}

static int start_server(struct bench_contender *contender, const char *name, const struct bench_contest *contest,
                        const char *answer, const struct bench_tooling *tooling, struct bench_counter *counter)
{
    char path[4096], workers[16], core[16], line[128];
    const char *words[32];
    int count = 0, rc, port, pid;

    if (tooling) {
        if ((count = bench_tool_words(words, tooling->tool, tooling->file, NULL)) < 0)
            return trouble(contender, count, "%s is not installed",
                           tooling->tool == BENCH_STRACE ? "strace" : "valgrind");
        contender->traced = true;
    }
    snprintf(workers, sizeof workers, "%d", contest->workers);
    words[count++] = bench_program(path, sizeof path, name);
    words[count++] = "--port";
    words[count++] = "0";
    words[count++] = "--workers";
    words[count++] = workers;
    if (contest->pinned) {
        snprintf(core, sizeof core, "%d", bench_core(0));
        words[count++] = "--pin";
        words[count++] = core;
    }
    if (answer) {
        words[count++] = "--answer";
        words[count++] = answer;
    }
    words[count] = NULL;
    if (access(path, X_OK) != 0)
        return trouble(contender, -ENOENT, "no peer: %s is not there", path);
    rc = bench_process_start(&contender->server, words, counter);
    if (rc < 0)
        return trouble(contender, rc, "%s: %s", name, strerror(-rc));
    rc = bench_process_line(&contender->server, line, sizeof line, 30);
    if (rc <= 0 || sscanf(line, "port %d pid %d", &port, &pid) != 2)
        return trouble(contender, -EPROTO, "%s did not say its port", name);
    contender->server.kill = pid;
    return port;
}

static int start_pair(struct bench_contender *contender, const char *name, const struct bench_contest *contest,
                      const char *answer, const struct bench_tooling *tooling, struct bench_counter *counter)
{
    char path[4096], port_text[16], core[16];
    const char *words[] = {path, contest->protocol, port_text, contest->pinned ? core : NULL, NULL};
    int rc, port;

    memset(contender, 0, sizeof *contender);
    contender->server.in = contender->server.out = contender->load.in = contender->load.out = -1;
    port = start_server(contender, name, contest, answer, tooling, counter);
    if (port < 0)
        return port;
    if (contest->pinned && bench_core(1) < 0)
        return trouble(contender, -ENODEV, "needs a second core for the load");
    snprintf(port_text, sizeof port_text, "%d", port);
    snprintf(core, sizeof core, "%d", bench_core(1));
    bench_program(path, sizeof path, "edo-bench-load");
    if ((rc = bench_process_start(&contender->load, words, NULL)) < 0)
        return trouble(contender, rc, "edo-bench-load: %s", strerror(-rc));
    return bench_contender_open(contender, contest->connections);
}

static char answer_file[64];

static void remove_answer_file(void)
{
    unlink(answer_file);
}

/* Writes what Edo's server answers into a file, once in this process. NULL if there is no such server. */
static const char *edo_answer(const struct bench_contest *contest)
{
    static struct bench_contender contender;
    struct bench_contest single = *contest;
    static char hex[BENCH_MOST_LINE];
    FILE *out;

    if (answer_file[0] || bench_options.itself)
        return answer_file[0] ? answer_file : NULL;
    single.connections = 1;
    if (start_pair(&contender, contest->forms[0].program, &single, NULL, NULL, NULL) == 0 &&
        tell(&contender, "show", hex, sizeof hex) == 0) {
        snprintf(answer_file, sizeof answer_file, "/tmp/edo-bench-%d.answer", (int)getpid());
        if ((out = fopen(answer_file, "we")) != NULL) {
            atexit(remove_answer_file);
            for (const char *c = hex; c[0] && c[1]; c += 2)
                putc((int)strtol((char[]){c[0], c[1], 0}, NULL, 16), out);
            fclose(out);
        } else {
            answer_file[0] = '\0';
        }
    }
    bench_contender_stop(&contender);
    return answer_file[0] ? answer_file : NULL;
}

int bench_contender_start(struct bench_contender *contender, const struct bench_contest *contest, size_t number,
                          const struct bench_tooling *tooling, struct bench_counter *counter)
{
    bool floor = number == 0 || bench_options.itself;
    const char *answer = floor && strcmp(contest->protocol, "http") == 0 ? edo_answer(contest) : NULL;

    return start_pair(contender, floor ? contest->floor : contest->forms[number - 1].program, contest, answer, tooling,
                      counter);
}

int bench_contender_open(struct bench_contender *contender, size_t connections)
{
    char command[64], answer[128];
    int rc;

    snprintf(command, sizeof command, "open %zu", connections);
    if ((rc = tell(contender, command, answer, sizeof answer)) < 0)
        return rc;
    contender->requests += connections - contender->connections;
    contender->connections = connections;
    return 0;
}

int bench_contender_run(struct bench_contender *contender, size_t requests, double *seconds)
{
    char command[64], answer[128];
    int rc;

    snprintf(command, sizeof command, "run %zu", requests);
    if ((rc = tell(contender, command, answer, sizeof answer)) < 0)
        return rc;
    contender->requests += requests;
    *seconds = strtod(answer, NULL);
    return 0;
}

int bench_contender_stop(struct bench_contender *contender)
{
    bool ran = contender->server.pid > 0;
    char earlier[sizeof contender->trouble + 2] = "";
    int status;

    if (contender->trouble[0])
        snprintf(earlier, sizeof earlier, "%s; ", contender->trouble);
    bench_process_end(&contender->load, 5);
    status = bench_process_stop(&contender->server, contender->traced ? 60 : 10);
    if (ran && WIFSIGNALED(status))
        return trouble(contender, -EPROTO, "%sthe server was ended by signal %d", earlier, WTERMSIG(status));
    if (ran && WEXITSTATUS(status))
        return trouble(contender, -EPROTO, "%sthe server ended with status %d", earlier, WEXITSTATUS(status));
    return 0;
}
