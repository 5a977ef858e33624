/* SPDX-License-Identifier: MIT */
/*
 * A chat server: one room, lines of text. Try it with `nc 127.0.0.1 7778`. The first line is your name, until then you
 * only listen; what you say goes to all others; /who tells who is here, /quit leaves. Ctrl-C ends it, after everybody
 * has been told.
 *
 * What is said is a message in a broadcast, which every guest hears at his own pace: nobody waits for a slow one. Who
 * lags behind by more than is remembered learns how many messages he has missed; who takes none for a while is dropped.
 * A guest has two tasks: one reads lines; the other alone writes, what it hears and, by a channel, what the first has
 * to answer.
 */
#include <edo/edo.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { NAME = 20, LINE = 400, GUESTS = 200, REMEMBERED = 64 };
#define PATIENCE EDO_SEC(10)

struct message {
    int from; /* the guest who does not hear it; -1: all do */
    int size;
    char text[NAME + LINE + 40];
};

struct guest {
    edo_stream *stream; /* NULL: the place is free */
    edo_channel *answers;
    edo_subscription room;
    char name[NAME + 1]; /* empty: not yet told */
};

static edo_broadcast *room;
static edo_mutex door = EDO_MUTEX_INIT; /* over the guests' places and names */
static struct guest guests[GUESTS];

static EDO_PRINTF(3, 4) void format(struct message *message, int from, const char *form, ...)
{
    va_list arguments;

    va_start(arguments, form);
    message->from = from;
    message->size = vsnprintf(message->text, sizeof message->text, form, arguments);
    va_end(arguments);
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static int put(edo_writer *writer, const struct message *message)
{
    edo_str text = {message->text, (size_t)message->size};
    ssize_t n = edo_writer_put(writer, text);

    return n < 0 ? (int)n : 0;
}

/* Puts what comes next into the writer, or flushes it when nothing comes at once. -EPIPE: there will be no more. */
static int write_next(edo_writer *writer, struct guest *guest)
{
    enum { ANSWER, HEARD, NOTHING };
    struct message message;
    edo_arm arms[] = {
        [ANSWER] = EDO_RECV(guest->answers, &message),
        [HEARD] = EDO_HEAR(&message, &guest->room),
        [NOTHING] = EDO_DEFAULT,
    };
    int which = edo_select(arms, edo_writer_pending(writer) > 0 ? 3 : 2);
    int rc = which < 0 ? which : arms[which].rc;

    if (rc < 0)
        return rc;
    EDO_TIMEOUT (PATIENCE, &rc) {
        rc = 0;
        if (which == HEARD && arms[HEARD].rc > 0)
            rc = (int)edo_writer_printf(writer, "* you have missed %d messages\n", arms[HEARD].rc);
        if (rc >= 0)
            rc = which == NOTHING                                          ? edo_writer_flush(writer)
                 : which == HEARD && message.from == (int)(guest - guests) ? 0
                                                                           : put(writer, &message);
    }
    return rc;
}

static int write_all(void *argument)
{
    struct guest *guest = argument;
    edo_writer writer;
    int rc;

    edo_writer_init(&writer, guest->stream, NULL, 2048);
    while ((rc = write_next(&writer, guest)) == 0)
        ;
    if (rc == -EPIPE || rc == -ECANCELED) {
        EDO_SHIELD (EDO_SEC(1)) { /* his last words; cancelled or not, what was taken before goes out first */
            if (edo_writer_put(&writer, rc == -EPIPE ? EDO_STR("* bye\n") : EDO_STR("* the room is closed\n")) > 0)
                edo_writer_flush(&writer);
        }
    }
    edo_writer_finish(&writer);
    return rc == -EPIPE ? 0 : rc;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static int answer(struct guest *guest, const struct message *message)
{
    return edo_send(guest->answers, message);
}

static int tell_who(struct guest *guest)
{
    struct message message;
    int rc = 0;

    for (int i = 0; i < GUESTS && rc == 0; i++) {
        message.size = 0;
        EDO_LOCKED (&door, &rc) {
            if (guests[i].name[0])
                format(&message, -1, "* %s is here\n", guests[i].name);
        }
        if (rc == 0 && message.size > 0)
            rc = answer(guest, &message);
    }
    return rc;
}

/* Takes the name, if nobody has it, and tells everybody. */
static int come_in(struct guest *guest, edo_str name)
{
    struct message message;
    bool good = name.size > 0 && name.size <= NAME;
    int rc = 0;

    for (size_t i = 0; i < name.size && good; i++)
        good = isalnum((unsigned char)name.data[i]);
    EDO_LOCKED (&door, &rc) {
        for (int i = 0; i < GUESTS && good; i++)
            good = !edo_str_equal(edo_str_of(guests[i].name), name);
        if (good)
            memcpy(guest->name, name.data, name.size);
    }
    if (rc < 0)
        return rc;
    if (!good) {
        format(&message, -1, "* that is no name, or somebody has it\n");
        return answer(guest, &message);
    }
    format(&message, (int)(guest - guests), "* %s has come\n", guest->name);
    edo_broadcast_send(room, &message);
    format(&message, -1, "* welcome, %s\n", guest->name);
    return answer(guest, &message);
}

static void go_out(struct guest *guest)
{
    struct message message;
    int rc = 0;

    EDO_SHIELD (EDO_SEC(1)) { /* he leaves the place, cancelled or not */
        EDO_LOCKED (&door, &rc) {
            format(&message, (int)(guest - guests), "* %s has left\n", guest->name);
            if (guest->name[0])
                edo_broadcast_send(room, &message);
            edo_channel_destroy(guest->answers);
            edo_close(guest->stream);
            memset(guest, 0, sizeof *guest);
        }
    }
}

static int read_all(struct guest *guest)
{
    struct message message;
    edo_reader reader;
    edo_str line;
    ssize_t n = 0;
    int rc = 0;

    edo_reader_init(&reader, guest->stream, NULL, 512);
    while (rc == 0 && (n = edo_reader_read_line(&line, &reader, LINE)) != 0) {
        if (n == -EMSGSIZE) {
            format(&message, -1, "* that was too long\n");
            rc = answer(guest, &message);
            if (rc == 0 && edo_reader_skip_until(&reader, '\n') == 0)
                break;
        } else if (n < 0) {
            rc = (int)n;
        } else if (!guest->name[0]) {
            rc = come_in(guest, line);
        } else if (edo_str_equal(line, EDO_STR("/quit"))) {
            break;
        } else if (edo_str_equal(line, EDO_STR("/who"))) {
            rc = tell_who(guest);
        } else {
            format(&message, (int)(guest - guests), "%s: %.*s\n", guest->name, EDO_STR_ARG(line));
            edo_broadcast_send(room, &message);
        }
    }
    edo_reader_finish(&reader);
    edo_channel_close(guest->answers);
    return rc;
}

static int visit(void *argument)
{
    struct guest *guest = argument;
    int rc = 0;

    EDO_SCOPE (tasks, &rc) { /* if one of the two fails, the other is cancelled */
        rc = edo_spawn(tasks, write_all, guest);
        if (rc == 0)
            rc = read_all(guest);
    }
    go_out(guest);
    return rc;
}

/* --- The door ----------------------------------------------------------------------------------------------------- */

/* A place for him; NULL if there is none. The stream is the guest's then. */
static struct guest *seat(edo_stream *stream)
{
    struct guest *guest = NULL;
    int rc = 0;

    EDO_LOCKED (&door, &rc) {
        for (int i = 0; i < GUESTS && !guest; i++)
            if (!guests[i].stream)
                guest = &guests[i];
        if (guest && edo_channel_create(&guest->answers, sizeof(struct message), 4) < 0)
            guest = NULL;
        if (guest) {
            guest->stream = stream;
            edo_subscribe(&guest->room, room);
        }
    }
    if (!guest)
        edo_close(stream);
    return guest;
}

static int serve(void *address)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    char text[EDO_ADDR_TEXT_SIZE];
    edo_addr local;
    int rc = edo_tcp_listen(&listener, address, NULL);

    if (rc == 0)
        rc = edo_broadcast_create(&room, sizeof(struct message), REMEMBERED);
    if (rc < 0)
        return rc;
    edo_listener_addr(&local, listener);
    edo_addr_print(text, sizeof text, &local);
    printf("listening on %s\n", text);
    fflush(stdout);
    EDO_SCOPE (all, &rc, .policy = EDO_SUPERVISE) {
        edo_stream *stream;

        while ((rc = edo_accept(&stream, listener)) == 0) {
            struct guest *guest = seat(stream);

            if (guest && edo_spawn(all, visit, guest) < 0)
                go_out(guest);
        }
    }
    edo_broadcast_destroy(room);
    return rc;
}

int main(int argc, char **argv)
{
    static char address[] = "127.0.0.1:7778";
    int rc = edo_run(serve, argc > 1 ? argv[1] : address, NULL);

    if (rc < 0 && rc != -ECANCELED)
        fprintf(stderr, "chat: %s\n", edo_strerror(rc));
    return rc < 0 && rc != -ECANCELED;
}
