/* SPDX-License-Identifier: MIT */
/*
 * The driver: runs each row in a process of its own and prints one table.
 *
 *     edo-bench [--quick] [--itself] [--list] [NAME...]
 *
 * runs the rows whose name begins with one of the names, or all. --quick repeats less and leaves out the slow rows.
 * --itself puts the floors in Edo's place, so that every ratio should be near 1: what it is off by is the machine's
 * noise. The exit status is 0 if every bar was reached and every peer was there.
 */
#include "measure.h"
#include "process.h"
#include "row.h"
#include "table.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench_options bench_options;

static void sample(const char *kind, const char *key, double value)
{
    printf("%s %s %.9g\n", kind, key, value);
    fflush(stdout);
}

void bench_floor(const char *key, double value)
{
    sample("floor", key, value);
}

void bench_ours(const char *key, double value)
{
    sample("ours", key, value);
}

void bench_absent(const char *key, const char *format, ...)
{
    va_list arguments;

    printf("absent %s ", key);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

int bench_rounds(int usual)
{
    return bench_options.quick && usual > 3 ? 3 : usual;
}

size_t bench_amount(size_t usual)
{
    return bench_options.quick ? usual / 5 : usual;
}

static const struct bench_row *find(const char *name)
{
    for (size_t i = 0; name && bench_rows[i]; i++)
        if (strcmp(bench_rows[i]->name, name) == 0)
            return bench_rows[i];
    return NULL;
}

/* Runs the row in a child and takes its samples; why it ended early, or NULL. */
static const char *run(const struct bench_row *row, struct bench_samples *samples)
{
    static struct bench_process process;
    static char broken[96];
    char program[4096], line[512];
    const char *words[6] = {program, "--row", row->name};
    double deadline = bench_now() + row->seconds * 10e9;
    size_t count = 3;
    int status, rc;

    if (bench_options.quick)
        words[count++] = "--quick";
    if (bench_options.itself)
        words[count++] = "--itself";
    words[count] = NULL;
    program[readlink("/proc/self/exe", program, sizeof program - 1)] = '\0';
    if ((rc = bench_process_start(&process, words, NULL)) < 0)
        return strerror(-rc);
    while ((rc = bench_process_line(&process, line, sizeof line, (deadline - bench_now()) / 1e9)) > 0)
        bench_table_take(samples, row, line);
    status = bench_process_end(&process, rc == 0 ? 10 : 0);
    if (rc < 0)
        snprintf(broken, sizeof broken, "did not end within %.0f s", row->seconds * 10);
    else if (WIFSIGNALED(status))
        snprintf(broken, sizeof broken, "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        snprintf(broken, sizeof broken, "ended with status %d", WEXITSTATUS(status));
    else
        return NULL;
    return broken;
}

static size_t metric_count(const struct bench_row *row)
{
    size_t count = 0;

    while (row->metrics[count].key)
        count++;
    return count;
}

static bool wanted(const struct bench_row *row, char **names, int count)
{
    bool named = count == 0;

    for (int i = 0; i < count; i++)
        named |= strncmp(row->name, names[i], strlen(names[i])) == 0;
    return named && (!bench_options.itself || row->itself) && (!bench_options.quick || !row->slow);
}

static int table(char **names, int count)
{
    struct bench_verdicts verdicts = {0};
    double begin = bench_now();
    struct utsname system;

    uname(&system);
    printf("%s %s, %s, %ld cores; medians of alternating runs%s%s\n\n", system.sysname, system.release, system.machine,
           sysconf(_SC_NPROCESSORS_ONLN), bench_options.quick ? ", few of them" : "",
           bench_options.itself ? "; the floors stand in Edo's place" : "");
    bench_table_head();
    for (size_t i = 0; bench_rows[i]; i++) {
        const struct bench_row *row = bench_rows[i];
        struct bench_samples *samples;

        if (!wanted(row, names, count))
            continue;
        if (!(samples = calloc(metric_count(row), sizeof *samples)))
            return 1;
        bench_table_row(&verdicts, samples, row, run(row, samples));
        free(samples);
    }
    printf("\n%d passed, %d missed, %d absent; %.0f s\n", verdicts.passed, verdicts.missed, verdicts.absent,
           (bench_now() - begin) / 1e9);
    return verdicts.missed || verdicts.absent;
}

int main(int argc, char **argv)
{
    const char *row = NULL, *part = NULL;
    bool list = false;
    char **names = argv; /* those that are names, from the front */
    int count = 0;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0)
            bench_options.quick = true;
        else if (strcmp(argv[i], "--itself") == 0)
            bench_options.itself = true;
        else if (strcmp(argv[i], "--list") == 0)
            list = true;
        else if (strcmp(argv[i], "--row") == 0 && i + 1 < argc)
            row = argv[++i];
        else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc)
            part = argv[++i];
        else if (argv[i][0] == '-')
            return fprintf(stderr, "usage: edo-bench [--quick] [--itself] [--list] [NAME...]\n"), 2;
        else
            names[count++] = argv[i];
    signal(SIGPIPE, SIG_IGN);
    if (row && find(row))
        return -find(row)->run(find(row)) != 0;
    if (part && find(part) && find(part)->part)
        return -find(part)->part() != 0;
    if (row || part)
        return 2;
    for (size_t i = 0; list && bench_rows[i]; i++)
        if (wanted(bench_rows[i], names, count))
            puts(bench_rows[i]->name);
    return list ? 0 : table(names, count);
}
