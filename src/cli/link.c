/* SPDX-License-Identifier: MIT */
/* The way to the program's console; see link.h. */
#include "cli/link.h"

#include "cli/client.h"
#include "cli/facts.h"
#include "cli/sse.h"

#include <edo/error.h>
#include <edo/scope.h>
#include <edo/select.h>
#include <edo/time.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* --- What goes wrong, in words ------------------------------------------------------------------------------------ */

static void why(char text[EDO_LINK_TEXT], int rc)
{
    const char *words = rc == -EPROTO || rc == -EBADMSG || rc == -EMSGSIZE ? "what answers there is no Edo console"
                        : rc == -ETIMEDOUT                                 ? "no answer"
                        : rc == -ECONNRESET                                ? "the program has closed the connection"
                        : rc == -EINVAL                                    ? "not an address of the form HOST:PORT"
                                                                           : edo_strerror(rc);

    snprintf(text, EDO_LINK_TEXT, "%s", words);
}

static json_t *parse(edo_str text)
{
    return json_loadb(text.data, text.size, 0, NULL);
}

/* Hands it on; what nobody takes is given back. */
static int say(struct edo_link *link, struct edo_said_value *said)
{
    int rc = edo_send(link->said, said);

    if (rc < 0)
        json_decref(said->value);
    return rc;
}

/* --- One question ------------------------------------------------------------------------------------------------- */

static int read_whole(struct edo_sse_text *out, struct edo_client *client)
{
    edo_str piece;
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = edo_client_body(&piece, client)) != 0) {
        if (n == -EAGAIN)
            rc = edo_client_more(client);
        else
            rc = n < 0 ? (int)n : edo_sse_append(out, piece.data, piece.size);
    }
    return rc;
}

static int get(struct edo_said_value *said, const char *address, const char *path)
{
    struct edo_client client;
    struct edo_sse_text body = {NULL, 0, 0};
    int rc = edo_client_open(&client, address, path);

    if (rc == 0)
        rc = read_whole(&body, &client);
    if (rc == 0) {
        said->status = client.status;
        said->value = parse((edo_str){body.data ? body.data : "", body.size});
        if (!json_is_object(said->value)) /* the console answers with objects, also where it refuses */
            rc = -EBADMSG;
    }
    edo_sse_text_finish(&body);
    edo_client_close(&client);
    return rc;
}

void edo_link_get(struct edo_said_value *said, const char *address, const char *path)
{
    int rc = 0;

    said->value = NULL;
    said->text[0] = 0;
    EDO_TIMEOUT (EDO_SEC(5), &rc)
        rc = get(said, address, path);
    if (rc == 0 && said->status == 200)
        return;
    if (rc < 0) {
        said->status = rc;
        why(said->text, rc);
    } else {
        edo_str error = edo_fact_text(said->value, "error");

        snprintf(said->text, sizeof said->text, "%.*s", EDO_STR_ARG(error));
        if (error.size == 0)
            snprintf(said->text, sizeof said->text, "the console answers with status %d", said->status);
    }
    json_decref(said->value);
    said->value = NULL;
}

int edo_link_ask(void *argument)
{
    struct edo_link *link = (struct edo_link *)argument;
    struct edo_wish asked;
    int rc;

    while ((rc = edo_recv(&asked, link->asked)) == 0) {
        struct edo_said_value said = {.what = EDO_SAID_ANSWER, .serial = asked.serial};

        edo_link_get(&said, link->address, asked.path);
        if ((rc = say(link, &said)) < 0)
            break;
    }
    return rc;
}

/* --- The stream --------------------------------------------------------------------------------------------------- */

enum { WISH_CHANGED = 1 };

static int event(struct edo_link *link, const struct edo_sse *sse, uint64_t serial, int64_t *patience)
{
    static const struct {
        const char *name;
        int what;
    } events[] = {{"now", EDO_SAID_NOW}, {"tasks", EDO_SAID_TASKS}, {"stall", EDO_SAID_STALL}};

    for (size_t i = 0; i < EDO_COUNT(events); i++) {
        struct edo_said_value said = {.what = events[i].what, .serial = serial};

        if (strcmp(sse->name, events[i].name) != 0)
            continue;
        said.value = parse((edo_str){sse->data.data, sse->data.size});
        if (!json_is_object(said.value)) {
            json_decref(said.value);
            return -EBADMSG;
        }
        if (said.what == EDO_SAID_NOW) {
            double interval = edo_fact_number(said.value, "interval_ms", 1000);

            *patience = EDO_SEC(3) + 5 * EDO_MS(interval > 0 && interval < 60000 ? (int64_t)interval : 60000);
        }
        return say(link, &said);
    }
    return 0; /* a later version's */
}

/* Reads events until something ends that: WISH_CHANGED, or an error. */
static int listen_to(struct edo_link *link, struct edo_client *client, struct edo_wish *wish, uint64_t *version)
{
    enum { MORE, WISH, SILENCE };
    uint64_t serial = wish->serial;
    int64_t patience = EDO_SEC(8);
    int64_t heard = edo_now();
    struct edo_sse sse;
    int rc = 0;

    edo_sse_init(&sse);
    while (rc == 0) {
        edo_str piece;
        ssize_t n = edo_client_body(&piece, client);

        if (n > 0) {
            while (rc == 0 && (rc = edo_sse_next(&sse, &piece)) == 1) {
                rc = event(link, &sse, serial, &patience);
                heard = edo_now();
            }
        } else if (n == -EAGAIN) {
            edo_arm arms[] = {
                [MORE] = EDO_CAN_READ(client->stream),
                [WISH] = EDO_CHANGED(wish, version, link->wish),
                [SILENCE] = EDO_AT(heard + patience),
            };
            int arm = edo_select(arms, EDO_COUNT(arms));

            rc = arm < 0          ? arm
                 : arm == SILENCE ? -ETIMEDOUT
                 : arm == WISH    ? (arms[WISH].rc < 0 ? arms[WISH].rc : WISH_CHANGED)
                                  : edo_client_more(client);
        } else {
            rc = n == 0 ? -ECONNRESET : (int)n;
        }
    }
    edo_sse_finish(&sse);
    return rc;
}

static int open_stream(struct edo_client *client, const char *address, const char *path)
{
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(5), &rc) {
        rc = edo_client_open(client, address, path);
        if (rc == 0 && (client->status != 200 || strcmp(client->type, "text/event-stream") != 0))
            rc = -EPROTO;
    }
    return rc;
}

/* What the stream does not tell: asked where a connection begins. */
static int introduce(struct edo_link *link, char text[EDO_LINK_TEXT])
{
    static const struct {
        const char *path;
        int what;
    } questions[] = {{"/api/program", EDO_SAID_PROGRAM}, {"/api/stalls", EDO_SAID_STALLS}};
    int rc = 0;

    for (size_t i = 0; i < EDO_COUNT(questions) && rc == 0; i++) {
        struct edo_said_value said = {.what = questions[i].what};

        edo_link_get(&said, link->address, questions[i].path);
        if (said.value)
            rc = say(link, &said);
        else if (i == 0) {
            memcpy(text, said.text, EDO_LINK_TEXT);
            rc = said.status < 0 ? said.status : -EPROTO;
        }
    }
    return rc;
}

/* From a connection to its end. *begun: whether it ever stood. */
static int once(struct edo_link *link, struct edo_wish *wish, uint64_t *version, bool *linked, char text[EDO_LINK_TEXT])
{
    struct edo_client client;
    int rc = *linked ? 0 : introduce(link, text);

    if (rc < 0)
        return rc;
    if ((rc = edo_watch_get(wish, version, link->wish)) < 0)
        return rc;
    rc = open_stream(&client, link->address, wish->path);
    if (rc == 0 && !*linked) {
        struct edo_said_value said = {.what = EDO_SAID_LINKED};

        *linked = true;
        rc = say(link, &said);
    }
    if (rc == 0)
        rc = listen_to(link, &client, wish, version);
    edo_client_close(&client);
    return rc;
}

int edo_link_run(void *argument)
{
    struct edo_link *link = (struct edo_link *)argument;
    struct edo_wish wish;
    uint64_t version = 0;
    bool linked = false;

    for (;;) {
        struct edo_said_value said = {.what = EDO_SAID_LOST};
        int rc = once(link, &wish, &version, &linked, said.text);

        if (edo_cancelled())
            return -ECANCELED;
        if (rc == WISH_CHANGED) {
            rc = edo_sleep(EDO_MS(40)); /* who scrolls or types changes it again at once */
            if (rc < 0)
                return rc;
            continue;
        }
        linked = false;
        if (!said.text[0])
            why(said.text, rc);
        if ((rc = say(link, &said)) < 0 || (rc = edo_sleep(EDO_SEC(1))) < 0)
            return rc;
    }
}
