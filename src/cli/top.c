/* SPDX-License-Identifier: MIT */
/*
 * `edo top`: what the tasks of a running program do, in a terminal.
 *
 * Four tasks on one worker. The root draws: it waits for keys, signals and what the console says, one of them at a
 * time, and owns all that is shown. Two speak to the console (link.h), one waits for signals. They hand on values and
 * share nothing, so it does not matter which thread they run on, and a terminal that takes its time holds up nobody.
 *
 * However it ends, by q, by a signal (the runtime cancels the root scope at SIGINT and SIGTERM), when the terminal
 * goes, the root leaves its loop and gives the terminal back as it was. Only a second SIGTERM, for a terminal that no
 * longer takes anything, does not wait for that.
 */
#include "cli/top.h"

#include "cli/keys.h"
#include "cli/screen.h"
#include "cli/view.h"

#include <edo/edo.h>
#include <edo/signal.h>

#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct edo_top_run {
    struct edo_top top;
    bool once;
    bool colours;
    int rows; /* of tasks, with .once */
    struct edo_link link;
    edo_channel *signals; /* int */
    char wished[EDO_LINK_PATH];
    char failed[EDO_LINK_TEXT]; /* with .once: why there is nothing to print */
};

static bool edo_top_ascii(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

/* --- What the console says ---------------------------------------------------------------------------------------- */

static void edo_top_answer(struct edo_top *top, struct edo_said_value *said)
{
    if (said->serial != top->asked) { /* to a view that is no longer shown */
        json_decref(said->value);
        return;
    }
    top->asked = 0;
    memcpy(top->refusal, said->text, sizeof top->refusal);
    if (said->value) {
        json_decref(top->answer);
        top->answer = said->value;
    }
}

/* Asks what the view needs: where that is another question than the last one, or the console has looked again. */
static void edo_top_ask(struct edo_top_run *run)
{
    struct edo_top *top = &run->top;
    struct edo_wish question;

    edo_keys_ask_path(question.path, top);
    if (!question.path[0] || top->asked != 0 || !top->linked ||
        (!top->due && strcmp(question.path, top->question) == 0))
        return;
    question.serial = ++top->serial;
    if (edo_try_send(run->link.asked, &question) < 0)
        return;
    top->asked = question.serial;
    top->due = false;
    memcpy(top->question, question.path, sizeof top->question);
}

static void edo_top_said(struct edo_top_run *run, struct edo_said_value *said, uint64_t wished)
{
    struct edo_top *top = &run->top;

    switch (said->what) {
    case EDO_SAID_LOST:
        top->linked = false;
        top->asked = 0;
        memcpy(top->lost, said->text, sizeof top->lost);
        break;
    case EDO_SAID_LINKED:
        top->linked = true;
        top->lost[0] = 0;
        break;
    case EDO_SAID_PROGRAM:
        edo_facts_program(&top->facts, said->value);
        break;
    case EDO_SAID_NOW:
        edo_facts_now(&top->facts, said->value);
        top->due = true; /* what a view shows is as old as the rest */
        break;
    case EDO_SAID_TASKS:
        if (said->serial == wished)
            edo_facts_tasks(&top->facts, said->value);
        else
            json_decref(said->value);
        break;
    case EDO_SAID_STALL:
        edo_facts_stall(&top->facts, said->value);
        break;
    case EDO_SAID_STALLS:
        edo_facts_stalls(&top->facts, said->value);
        break;
    default:
        edo_top_answer(top, said);
        break;
    }
}

/* --- Signals ------------------------------------------------------------------------------------------------------ */

/* What the runtime does not see to: SIGINT and SIGTERM. */
static int edo_top_signals(void *argument)
{
    static const int wanted[] = {SIGWINCH, SIGTSTP, SIGHUP, SIGQUIT};
    edo_channel *out = (edo_channel *)argument;
    edo_signal *signals EDO_AUTO(edo_signal_close) = NULL;
    int number = 0; /* first of all: it is listening */
    int rc = edo_signal_open(&signals, wanted, EDO_COUNT(wanted));

    while (rc == 0 && (rc = edo_send(out, &number)) == 0)
        rc = edo_signal_wait(&number, signals);
    return rc;
}

/* False: it is to end. */
static bool edo_top_signalled(int number)
{
    if (number == SIGTSTP) {
        edo_screen_leave();
        kill(getpid(), SIGSTOP); /* goes on here when somebody says so */
        return true;
    }
    return number != SIGHUP && number != SIGQUIT;
}

/* --- Drawing ------------------------------------------------------------------------------------------------------ */

static int edo_top_draw(struct edo_top_run *run, struct edo_canvas *canvas, bool whole)
{
    int rows;
    int columns;

    edo_screen_size(&rows, &columns);
    if (!canvas->cells || rows != canvas->rows || columns != canvas->columns) {
        edo_canvas_finish(canvas);
        int rc = edo_canvas_init(canvas, rows, columns, edo_top_ascii());

        if (rc < 0)
            return rc;
        whole = true;
    }
    edo_view_draw(&run->top, canvas);
    edo_screen_show(canvas, whole);
    return 0;
}

/* Says what is wanted, where that is something new. */
static void edo_top_wish(struct edo_top_run *run, uint64_t *serial)
{
    struct edo_wish wish;

    edo_keys_stream_path(wish.path, &run->top);
    if (strcmp(wish.path, run->wished) != 0) {
        memcpy(run->wished, wish.path, sizeof run->wished);
        wish.serial = ++*serial;
        edo_watch_set(run->link.wish, &wish);
    }
    edo_top_ask(run);
}

/* All keys that have been pressed. 1: the last was q; 0; -ENXIO: the terminal has gone. */
static int edo_top_keys(struct edo_top *top, int *empty)
{
    int key = edo_screen_key();

    /* Readable and empty, again and again: nobody will press anything there any more. */
    if (key == EDO_KEY_CLOSED || (key == EDO_KEY_NONE && ++*empty > 100))
        return -ENXIO;
    for (; key != EDO_KEY_NONE && key != EDO_KEY_CLOSED; key = edo_screen_key()) {
        *empty = 0;
        if (!edo_keys_take(top, key))
            return 1;
    }
    return 0;
}

static int edo_top_loop(struct edo_top_run *run)
{
    enum { KEY, SAID, SIGNAL };
    struct edo_canvas canvas = {.cells = NULL};
    struct edo_said_value said;
    uint64_t wished = 1;
    bool whole = false;
    int empty = 0;
    int number;
    int rc = 0;

    for (;;) {
        edo_arm arms[] = {
            [KEY] = EDO_FD(STDIN_FILENO, EDO_READABLE),
            [SAID] = EDO_RECV(run->link.said, &said),
            [SIGNAL] = EDO_RECV(run->signals, &number),
        };

        if ((rc = edo_top_draw(run, &canvas, whole)) < 0)
            break;
        edo_top_wish(run, &wished);
        whole = false;
        rc = edo_select(arms, EDO_COUNT(arms));
        if (rc < 0)
            break;
        if (rc == SAID) {
            do
                edo_top_said(run, &said, wished);
            while (edo_try_recv(&said, run->link.said) == 0); /* drawn once, however much has come */
        } else if (rc == SIGNAL) {
            if (!edo_top_signalled(number))
                break;
            whole = true;
        } else if (arms[KEY].rc < 0 || edo_top_keys(&run->top, &empty) != 0) {
            break;
        }
    }
    edo_canvas_finish(&canvas);
    return rc;
}

static int edo_top_watch(struct edo_top_run *run)
{
    int number;
    int rc = 0;

    EDO_SCOPE (helpers, &rc, .name = "edo top") {
        rc = edo_spawn(helpers, edo_top_signals, run->signals, .name = "signals");
        if (rc == 0)
            rc = edo_recv(&number, run->signals);
        if (rc == 0)
            rc = edo_spawn(helpers, edo_link_run, &run->link, .name = "stream");
        if (rc == 0)
            rc = edo_spawn(helpers, edo_link_ask, &run->link, .name = "questions");
        if (rc == 0 && (rc = edo_screen_open(run->colours)) == 0) {
            rc = edo_top_loop(run);
            edo_screen_close();
        }
        if (rc >= 0)
            break; /* q: the others need not go on */
    }
    return rc;
}

/* --- Once --------------------------------------------------------------------------------------------------------- */

static int edo_top_columns(void)
{
    const char *said = getenv("COLUMNS");
    int columns = said ? atoi(said) : 0;

    return columns >= 20 && columns <= 1000 ? columns : 120;
}

static int edo_top_print(struct edo_top_run *run)
{
    struct edo_top *top = &run->top;
    int workers = top->facts.worker_count;
    struct edo_canvas canvas;
    int row;
    int rc = edo_canvas_init(&canvas, 8 + 7 * workers + run->rows, edo_top_columns(), edo_top_ascii());

    if (rc < 0)
        return rc;
    top->view = EDO_VIEW_HELP; /* nothing is chosen */
    row = edo_view_head(top, &canvas, 0, true);
    edo_view_tasks(top, &canvas, row, row + 2 + run->rows);
    rc = edo_canvas_print(&canvas, stdout);
    edo_canvas_finish(&canvas);
    return rc;
}

static int edo_top_once(struct edo_top_run *run)
{
    static const struct {
        const char *path;
        void (*take)(struct edo_facts *, json_t *);
    } questions[] = {{"/api/program", edo_facts_program}, {"/api/now", edo_facts_now}, {NULL, edo_facts_tasks}};

    for (size_t i = 0; i < EDO_COUNT(questions); i++) {
        struct edo_said_value said;
        char path[EDO_LINK_PATH];

        if (questions[i].path) {
            const char *runtime = i > 0 && run->top.runtime ? run->top.runtime : NULL;

            snprintf(path, sizeof path, "%s%s%s", questions[i].path, runtime ? "?runtime=" : "",
                     runtime ? runtime : "");
        } else {
            run->top.scrolls[EDO_VIEW_TASKS].seen = run->rows;
            edo_keys_stream_path(path, &run->top);
            memmove(path + strlen("/api/tasks"), path + strlen("/api/events"),
                    strlen(path + strlen("/api/events")) + 1);
            memcpy(path, "/api/tasks", strlen("/api/tasks"));
        }
        edo_link_get(&said, run->link.address, path);
        if (!said.value) {
            memcpy(run->failed, said.text, sizeof run->failed);
            return said.status < 0 ? said.status : -EPROTO;
        }
        questions[i].take(&run->top.facts, said.value);
    }
    return edo_top_print(run);
}

/* --- The command -------------------------------------------------------------------------------------------------- */

static int edo_top_root(void *argument)
{
    struct edo_top_run *run = (struct edo_top_run *)argument;

    return run->once ? edo_top_once(run) : edo_top_watch(run);
}

static int edo_top_channels(struct edo_top_run *run)
{
    const struct edo_wish none = {.serial = 1};
    int rc = edo_watch_create(&run->link.wish, &none);

    edo_keys_stream_path(run->wished, &run->top);
    if (rc == 0) {
        struct edo_wish first = {.serial = 1};

        memcpy(first.path, run->wished, sizeof first.path);
        rc = edo_watch_set(run->link.wish, &first);
    }
    if (rc == 0)
        rc = edo_channel_create(&run->link.asked, sizeof(struct edo_wish), 1);
    if (rc == 0)
        rc = edo_channel_create(&run->link.said, sizeof(struct edo_said_value), 8);
    if (rc == 0)
        rc = edo_channel_create(&run->signals, sizeof(int), 4);
    return rc;
}

static void edo_top_finish(struct edo_top_run *run)
{
    struct edo_said_value said;

    while (run->link.said && edo_try_recv(&said, run->link.said) == 0)
        json_decref(said.value);
    edo_channel_destroy(run->link.said);
    edo_channel_destroy(run->link.asked);
    edo_channel_destroy(run->signals);
    edo_watch_destroy(run->link.wish);
    json_decref(run->top.answer);
    edo_facts_finish(&run->top.facts);
    free(run);
}

static const char *edo_top_why(const struct edo_top_run *run, int rc)
{
    if (run->failed[0])
        return run->failed;
    switch (rc) {
    case -ENOTTY:
        return "standard input and output are no terminal; for text: edo top --once";
    case -ENOTSUP:
        return "this terminal ($TERM) cannot be drawn on; for text: edo top --once";
    default:
        return edo_strerror(rc);
    }
}

static const char usage[] = "usage: edo top [--once [--rows N]] [--no-colour] [--runtime N] [HOST:PORT | PORT]\n";

/* "6669" is 127.0.0.1:6669. */
static const char *edo_top_address(char *buffer, size_t size, const char *said)
{
    if (!said)
        return "127.0.0.1:6669";
    if (said[0] == 0 || strspn(said, "0123456789") < strlen(said))
        return said;
    snprintf(buffer, size, "127.0.0.1:%s", said);
    return buffer;
}

static int edo_top_options(struct edo_top_run *run, int argc, char **argv)
{
    static const struct option options[] = {
        {"once", no_argument, NULL, 'o'},
        {"rows", required_argument, NULL, 'n'},
        {"no-colour", no_argument, NULL, 'c'},
        {"no-color", no_argument, NULL, 'c'},
        {"runtime", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *no_colour = getenv("NO_COLOR");
    int option;

    run->colours = !no_colour || !no_colour[0];
    run->rows = 20;
    while ((option = getopt_long(argc, argv, "n:h", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            run->once = true;
            break;
        case 'n':
            run->rows = atoi(optarg);
            break;
        case 'c':
            run->colours = false;
            break;
        case 'r':
            run->top.runtime = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind > 1 || run->rows < 1 || run->rows > EDO_FACTS_WINDOW / 3 ||
        (run->top.runtime && strspn(run->top.runtime, "0123456789") < strlen(run->top.runtime))) {
        fputs(usage, stderr);
        return 2;
    }
    return -1;
}

int edo_top_main(int argc, char **argv)
{
    struct edo_top_run *run = calloc(1, sizeof *run);
    char address[300];
    int rc;

    if (!run) {
        fprintf(stderr, "edo top: %s\n", edo_strerror(-ENOMEM));
        return 1;
    }
    setlocale(LC_ALL, "");
    if ((rc = edo_top_options(run, argc, argv)) >= 0) {
        free(run);
        return rc;
    }
    run->top.address = run->link.address =
        edo_top_address(address, sizeof address, optind < argc ? argv[optind] : NULL);
    run->top.scrolls[EDO_VIEW_TASKS].seen = 24; /* until a screen is drawn */
    edo_facts_init(&run->top.facts);
    rc = edo_top_channels(run);
    if (rc == 0) /* JSON may be as deep as its parser allows */
        rc = edo_run(edo_top_root, run, EDO_OPTIONS(edo_run_options, .workers = 1, .stack_size = 2 << 20));
    if (rc < 0)
        fprintf(stderr, "edo top: %s%s%s\n", run->failed[0] ? run->top.address : "", run->failed[0] ? ": " : "",
                edo_top_why(run, rc));
    edo_top_finish(run);
    return rc < 0;
}
