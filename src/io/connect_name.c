/* SPDX-License-Identifier: MIT */
/*
 * Connecting by name: the addresses of a host are tried as RFC 8305 ("happy eyeballs") has it. (Its resolution delay is
 * for resolvers that ask for each family apart; getaddrinfo has asked for both.)
 *
 * Each attempt is a task, in a scope of the caller's: it calls edo_connect and says how it went. The caller sleeps on
 * `ended`, the number of those that have, until the next attempt is to be started. The first connection goes into
 * `winner`, by one exchange; whoever comes later closes its own. When there is a winner, no attempt left, or a
 * cancellation, the scope is cancelled, which takes the other attempts back, and left when they have ended: only then
 * is the result known. So a connection that came in the same moment as a cancellation is success (rule C2), and no
 * descriptor outlives the call.
 */
#include "io/stream.h"
#include "runtime/options.h"
#include "platform/platform.h"

#include <edo/dns.h>
#include <edo/park.h>
#include <edo/time.h>

#include <errno.h>
#include <limits.h>

enum { EDO_ATTEMPTS_MOST = 16 };

struct edo_race {
    const edo_connect_options *options;
    int count;
    edo_addr addresses[EDO_ATTEMPTS_MOST];
    int results[EDO_ATTEMPTS_MOST]; /* of the attempts that have ended */
    int started;
    uint32_t ended; /* a word */
    _Atomic(edo_stream *) winner;
};

struct edo_attempt {
    struct edo_race *race;
    int index;
};

static void edo_attempt_end(struct edo_race *race, int index, int rc)
{
    race->results[index] = rc;
    __atomic_fetch_add(&race->ended, 1, __ATOMIC_RELEASE);
    edo_wake_word(&race->ended, INT_MAX);
}

static int edo_attempt_main(void *argument)
{
    struct edo_attempt *attempt = (struct edo_attempt *)argument;
    struct edo_race *race = attempt->race;
    edo_stream *stream;
    edo_stream *none = NULL;
    int rc = edo_connect(&stream, &race->addresses[attempt->index], race->options);

    if (rc == 0 && !atomic_compare_exchange_strong(&race->winner, &none, stream))
        edo_close(stream);
    edo_attempt_end(race, attempt->index, rc);
    return 0;
}

/*
 * How much an error tells about the host: that it refused, that it did not answer, that there is no way to it. Above
 * all is what went wrong here (no memory, no descriptor): then it was not tried.
 */
static int edo_attempt_rank(int rc)
{
    switch (-rc) {
    case EADDRNOTAVAIL: /* no address of this family here */
    case EAFNOSUPPORT:
        return 1;
    case ENETUNREACH:
    case ENETDOWN:
        return 2;
    case EHOSTUNREACH:
    case EHOSTDOWN:
        return 3;
    case ETIMEDOUT:
        return 4;
    case ECONNREFUSED:
    case ECONNRESET:
        return 5;
    case ECANCELED: /* from outside: so is the race */
        return 7;
    default:
        return 6;
    }
}

/* All have failed, and the race has not yet cancelled any. */
static int edo_race_error(const struct edo_race *race)
{
    int error = race->results[0];

    for (int i = 1; i < race->count; i++)
        if (edo_attempt_rank(race->results[i]) > edo_attempt_rank(error))
            error = race->results[i];
    return error;
}

/* An attempt that can't be started has failed as well. */
static void edo_race_start(struct edo_race *race, edo_scope *scope)
{
    struct edo_attempt attempt = {race, race->started++};
    int rc = edo_spawn(scope, edo_attempt_main, &attempt, .copy = sizeof attempt, .name = "connect");

    if (rc < 0)
        edo_attempt_end(race, attempt.index, rc);
}

/* Until somebody has won: 0; or nobody can, or it is cancelled: why. */
static int edo_race_run(struct edo_race *race, edo_scope *scope, int64_t delay)
{
    uint32_t seen = 0;
    int64_t next = 0;
    int rc = 0;

    while (rc == 0 && !atomic_load(&race->winner)) {
        uint32_t ended = __atomic_load_n(&race->ended, __ATOMIC_ACQUIRE);
        bool left = race->started < race->count;

        if (left && (race->started == 0 || ended != seen || edo_now() >= next)) {
            seen = ended;
            next = edo_deadline_after(edo_now(), delay);
            edo_race_start(race, scope);
            continue;
        }
        if (!left && ended == (uint32_t)race->count)
            return atomic_load(&race->winner) ? 0 : edo_race_error(race);
        rc = edo_wait_word(&race->ended, ended, left ? next : EDO_FOREVER);
        if (rc == -EAGAIN || rc == -ETIMEDOUT)
            rc = 0;
    }
    return rc;
}

static int edo_connect_race(edo_stream **out, struct edo_race *race, int64_t delay)
{
    edo_scope scope;
    int rc = edo_scope_begin(&scope, NULL, EDO_OPTIONS(edo_scope_options, .policy = EDO_SUPERVISE, .name = "connect"));

    if (rc < 0)
        return rc;
    rc = edo_race_run(race, &scope, delay);
    edo_scope_cancel(&scope);
    edo_scope_end(&scope, 0);
    *out = atomic_load(&race->winner);
    return *out ? 0 : rc;
}

/* Apart from edo_tcp_connect, whose callers need not have room for a race when they give an address. */
__attribute__((noinline)) static int edo_connect_name(edo_stream **out, const char *text,
                                                      const edo_connect_options *options)
{
    struct edo_race race = {.options = options};
    edo_resolve_options resolve = {.size = sizeof resolve,
                                   .family = options->bind ? options->bind->at_.any.sa_family : AF_UNSPEC};
    edo_stream *stream;
    int rc = edo_resolve(race.addresses, EDO_ATTEMPTS_MOST, text, &resolve);

    if (rc < 0)
        return rc;
    race.count = rc;
    if (race.count == 1)
        return edo_connect(out, &race.addresses[0], options);
    rc = edo_connect_race(&stream, &race, options->attempt_delay ? options->attempt_delay : EDO_MS(250));
    if (rc == 0)
        *out = stream;
    return rc;
}

int edo_tcp_connect(edo_stream **out, const char *text, const edo_connect_options *given)
{
    edo_connect_options options;
    edo_addr address;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (!edo_in_task())
        return -EPERM;
    if (options.attempt_delay < 0 || (options.bind && edo_addr_port(options.bind) < 0))
        return -EINVAL;
    options.size = sizeof options;
    rc = edo_addr_parse(&address, text);
    if (rc == -ENODEV)
        return rc;
    if (rc == 0 && edo_addr_port(&address) >= 0)
        return edo_connect(out, &address, &options);
    return edo_connect_name(out, text, &options);
}
