/* SPDX-License-Identifier: MIT */
/*
 * The explorer's threads, and what they do to the world. See explore.h.
 *
 * A thread runs until its next operation that others may notice, and says what it waits for before that; everything is
 * done by one OS thread. A store only goes into the buffer, which nobody else sees, so it is no step of its own: it is
 * done along with the step before.
 */
#include "steps.h"

#include "runtime/context.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK = 16384, BUFFER = 8 };
enum { FLUSH = 8, ALTERNATIVE = 16 }; /* a choice: thread, + FLUSH, or + ALTERNATIVE * which */

enum pending { P_LOAD, P_LOCKED, P_PAUSE, P_TAKE, P_SLEEP, P_LOCK, P_CHOOSE, P_ROOM, P_DONE };

struct buffered {
    volatile void *p;
    uint64_t value;
    size_t size;
};

struct thread {
    struct edo_context context;
    enum pending pending;
    unsigned alternatives;
    unsigned chosen;
    bool stale; /* nothing has changed since it last went on after a pause: it has seen all there is */
    bool held;  /* `late` waits for the next store */
    bool timed;
    const volatile void *word; /* of P_TAKE (a byte) and P_LOCK */
    const void *asleep_on;
    void *self;
    int count;
    struct buffered buffer[BUFFER];
    struct buffered late;
    uint64_t stack_hash;
};

struct region {
    const char *name;
    char *base;
    size_t size;
};

static _Alignas(64) unsigned char stacks[MODEL_THREADS][STACK];
static struct thread threads[MODEL_THREADS];
static int thread_count;
static struct thread *current; /* NULL: the explorer itself, setup and check */
static struct edo_context home;
static sigjmp_buf fault;

static struct region regions[MODEL_REGIONS];
static int region_count;
static struct region statistics[MODEL_REGIONS];
static int statistics_count;
static struct region privates[MODEL_REGIONS];
static const struct thread *private_owners[MODEL_REGIONS];
static int private_count;

const struct model *model;
const struct model_mutant *model_mutant_now;
struct model_result model_found;
bool model_tracing;

void *model_grow(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (!memory) {
        fprintf(stderr, "explorer: no memory\n");
        abort();
    }
    return memory;
}

/* --- The world ---------------------------------------------------------------------------------------------------- */

static void add_region(struct region *list, int *count, const char *name, void *base, size_t size)
{
    if (*count == MODEL_REGIONS)
        abort();
    list[(*count)++] = (struct region){name, (char *)base, size};
}

void model_region(const char *name, void *base, size_t size)
{
    add_region(regions, &region_count, name, base, size);
}

void model_statistics(void *base, size_t size)
{
    add_region(statistics, &statistics_count, "statistics", base, size);
}

void model_private(void *base, size_t size)
{
    add_region(privates, &private_count, "private", base, size);
}

static const struct region *find_region(const struct region *list, int count, const volatile void *p)
{
    for (int i = 0; i < count; i++)
        if ((uintptr_t)p - (uintptr_t)list[i].base < list[i].size)
            return &list[i];
    return NULL;
}

/* Whether an operation on p is no step. */
static bool uncounted(const volatile void *p)
{
    const struct region *region = find_region(privates, private_count, p);

    if (!current || find_region(statistics, statistics_count, p))
        return true;
    if (region) {
        const struct thread **owner = &private_owners[region - privates];

        if (*owner && *owner != current)
            model_wrong("two threads at what the model calls private", __FILE__, __LINE__);
        *owner = current;
        return true;
    }
    if (!find_region(regions, region_count, p) && (uintptr_t)p - (uintptr_t)stacks >= sizeof stacks)
        model_wrong("an atomic operation on memory that the model has not named", __FILE__, __LINE__);
    return false;
}

uint64_t model_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const char *p = (const char *)bytes;
    uint64_t word = 0;

    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&word, p, 8);
        hash = model_mix(hash, word);
    }
    word = 0;
    memcpy(&word, p, size);
    return model_mix(hash, word + size);
}

static unsigned char *live_stack(const struct thread *thread, size_t *size)
{
    unsigned char *top = stacks[thread - threads] + STACK;
    unsigned char *sp = (unsigned char *)thread->context.sp;

    *size = (size_t)(top - sp);
    return sp;
}

uint64_t model_hash(void)
{
    uint64_t hash = 1;

    for (int i = 0; i < region_count; i++)
        hash = hash_bytes(hash, regions[i].base, regions[i].size);
    for (int i = 0; i < thread_count; i++) {
        struct thread *t = &threads[i];

        hash = model_mix(hash, t->stack_hash);
        hash = model_mix(hash, (uint64_t)t->pending | t->alternatives << 4 | (uint64_t)t->stale << 16 |
                                   (uint64_t)t->held << 17 | (uint64_t)t->timed << 18 | (uint64_t)t->count << 20);
        hash = model_mix(hash, (uintptr_t)t->asleep_on);
        hash = model_mix(hash, (uintptr_t)t->word);
        for (int k = 0; k < t->count + t->held; k++) {
            const struct buffered *store = k < t->count ? &t->buffer[k] : &t->late;

            hash = model_mix(model_mix(hash, (uintptr_t)store->p), store->value);
        }
    }
    return hash ? hash : 1;
}

/* A copy of everything that a step may change. */
char *model_save(void)
{
    size_t size = sizeof threads;
    char *copy, *to;

    for (int i = 0; i < region_count; i++)
        size += regions[i].size;
    for (int i = 0; i < thread_count; i++) {
        size_t live;

        live_stack(&threads[i], &live);
        size += live;
    }
    copy = to = (char *)model_grow(NULL, size);
    memcpy(to, threads, sizeof threads);
    to += sizeof threads;
    for (int i = 0; i < region_count; to += regions[i++].size)
        memcpy(to, regions[i].base, regions[i].size);
    for (int i = 0; i < thread_count; i++) {
        size_t live;
        unsigned char *sp = live_stack(&threads[i], &live);

        memcpy(to, sp, live);
        to += live;
    }
    return copy;
}

void model_restore(const char *copy)
{
    memcpy(threads, copy, sizeof threads);
    copy += sizeof threads;
    for (int i = 0; i < region_count; copy += regions[i++].size)
        memcpy(regions[i].base, copy, regions[i].size);
    for (int i = 0; i < thread_count; i++) {
        size_t live;
        unsigned char *sp = live_stack(&threads[i], &live);

        memcpy(sp, copy, live);
        copy += live;
        memset(sp - 2048, 0, 2048);
    }
}

/* --- What threads do ---------------------------------------------------------------------------------------------- */

void model_wrong(const char *what, const char *file, int line)
{
    if (!model_found.wrong)
        snprintf(model_found.what, sizeof model_found.what, "%s:%d: does not hold: %s", file, line, what);
    model_found.wrong = true;
    if (current)
        edo_context_switch(&current->context, &home, NULL); /* for good */
}

static void pause_for(enum pending pending, unsigned alternatives)
{
    struct thread *self = current;

    self->pending = pending;
    self->alternatives = alternatives;
    edo_context_switch(&self->context, &home, NULL);
}

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

static void tell(const char *what, const volatile void *p, uint64_t value, const char *file, int line,
                 const char *function)
{
    const struct region *region = find_region(regions, region_count, p);

    if (!model_tracing || !current)
        return;
    printf("#   thread %d  %-9s ", (int)(current - threads), what);
    if (p)
        printf("%s+%zu = %#llx", region ? region->name : "stack",
               (size_t)((uintptr_t)p - (region ? (uintptr_t)region->base : (uintptr_t)stacks)),
               (unsigned long long)value);
    printf("  (%s:%d %s)\n", base_name(file), line, function);
}

static uint64_t get(const volatile void *p, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)(uintptr_t)p, size);
    return value;
}

/* Memory changes, for all to see. */
static void set(volatile void *p, size_t size, uint64_t value, const struct thread *by)
{
    if (get(p, size) == value)
        return;
    memcpy((void *)(uintptr_t)p, &value, size);
    for (int i = 0; i < thread_count; i++)
        if (&threads[i] != by)
            threads[i].stale = false;
}

static bool weakened(enum model_weakening how, const char *function)
{
    return model_mutant_now && model_mutant_now->how == how && strcmp(model_mutant_now->where, function) == 0;
}

static void append(struct buffered store)
{
    if (current->count == BUFFER)
        pause_for(P_ROOM, 1);
    current->buffer[current->count++] = store;
}

static void append_late(void)
{
    if (current->held) {
        current->held = false;
        append(current->late);
    }
}

static uint64_t seen(const volatile void *p, size_t size)
{
    for (int i = current->count; i-- > 0;)
        if (current->buffer[i].p == p)
            return current->buffer[i].value;
    return get(p, size);
}

uint64_t model_load(const volatile void *p, size_t size, const char *file, int line, const char *function)
{
    uint64_t value;

    if (uncounted(p))
        return get(p, size);
    pause_for(P_LOAD, 1);
    value = seen(p, size);
    tell("load", p, value, file, line, function);
    return value;
}

void model_store(volatile void *p, size_t size, uint64_t value, bool seq_cst, const char *file, int line,
                 const char *function)
{
    if (uncounted(p)) {
        memcpy((void *)(uintptr_t)p, &value, size);
        return;
    }
    if (seq_cst && !weakened(MODEL_BUFFERED, function)) {
        append_late();
        pause_for(P_LOCKED, 1);
        set(p, size, value, current);
    } else if (weakened(MODEL_LATE, function) && !current->held) {
        current->held = true;
        current->late = (struct buffered){p, value, size};
    } else {
        append((struct buffered){p, value, size});
        append_late();
    }
    tell("store", p, value, file, line, function);
}

/* Before a locked operation; returns what the memory holds. */
static uint64_t lock_and_get(const volatile void *p, size_t size, bool split)
{
    append_late();
    if (split) {
        pause_for(P_LOAD, 1);
        return seen(p, size);
    }
    pause_for(P_LOCKED, 1);
    return get(p, size);
}

uint64_t model_rmw(volatile void *p, size_t size, enum model_how how, uint64_t operand, const char *file, int line,
                   const char *function)
{
    bool plain = uncounted(p);
    bool split = !plain && weakened(MODEL_SPLIT, function);
    uint64_t old = plain ? get(p, size) : lock_and_get(p, size, split);
    uint64_t new = how == MODEL_EXCHANGE ? operand
                   : how == MODEL_ADD    ? old + operand
                   : how == MODEL_SUB    ? old - operand
                   : how == MODEL_OR     ? (old | operand)
                                         : (old & operand);

    if (size < 8)
        new &= (UINT64_C(1) << 8 * size) - 1;
    if (plain)
        memcpy((void *)(uintptr_t)p, &new, size);
    else if (split)
        append((struct buffered){p, new, size});
    else
        set(p, size, new, current);
    if (model_tracing) {
        tell("exchange:", p, old, file, line, function);
        tell("  becomes", p, new, file, line, function);
    }
    return old;
}

bool model_cas(volatile void *p, size_t size, void *expected, uint64_t value, const char *file, int line,
               const char *function)
{
    bool plain = uncounted(p);
    bool split = !plain && weakened(MODEL_SPLIT, function);
    uint64_t old = plain ? get(p, size) : lock_and_get(p, size, split);

    if (old != get(expected, size)) {
        tell("cas, no:", p, old, file, line, function);
        memcpy(expected, &old, size);
        return false;
    }
    if (plain)
        memcpy((void *)(uintptr_t)p, &value, size);
    else if (split)
        append((struct buffered){p, value, size});
    else
        set(p, size, value, current);
    tell("cas, yes:", p, value, file, line, function);
    return true;
}

void model_fence(bool seq_cst, const char *file, int line, const char *function)
{
    if (!current || !seq_cst || weakened(MODEL_NO_FENCE, function))
        return;
    append_late();
    pause_for(P_LOCKED, 1);
    tell("fence", NULL, 0, file, line, function);
}

void model_step(void)
{
    if (current)
        pause_for(P_LOAD, 1);
}

void model_pause(void)
{
    pause_for(P_PAUSE, 1);
    current->stale = true;
}

void model_take(volatile uint8_t *byte)
{
    append_late();
    current->word = byte;
    pause_for(P_TAKE, 1);
    current->word = NULL;
    set(byte, 1, 0, current);
    tell("takes", byte, 0, __FILE__, __LINE__, __func__);
}

void model_lock(volatile void *word)
{
    append_late();
    current->word = word;
    pause_for(P_LOCK, 1);
    current->word = NULL;
    set(word, 4, 1, current);
    tell("locks", word, 1, __FILE__, __LINE__, __func__);
}

void model_give(volatile uint8_t *byte)
{
    append_late();
    pause_for(P_LOCKED, 1);
    set(byte, 1, 1, current);
    tell("gives", byte, 1, __FILE__, __LINE__, __func__);
}

unsigned model_choose(unsigned n)
{
    pause_for(P_CHOOSE, n);
    return current->chosen;
}

int model_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    append_late();
    pause_for(P_LOCKED, 1);
    if (get(word, sizeof *word) != expected)
        return -EAGAIN;
    tell("sleeps", word, expected, __FILE__, __LINE__, __func__);
    current->asleep_on = word;
    current->timed = model->expires && deadline != INT64_MAX;
    pause_for(P_SLEEP, 1);
    current->timed = false;
    current->asleep_on = NULL;
    tell(current->chosen ? "expires" : "wakes", word, get(word, sizeof *word), __FILE__, __LINE__, __func__);
    return current->chosen ? -ETIMEDOUT : 0;
}

int model_futex_wake(uint32_t *word, int count)
{
    int sleepers = 0;
    int woken = 0;

    append_late();
    pause_for(P_LOCKED, 1);
    tell("wakes", word, get(word, sizeof *word), __FILE__, __LINE__, __func__);
    for (int i = 0; i < thread_count; i++)
        sleepers += threads[i].pending == P_SLEEP && threads[i].asleep_on == word;
    for (int i = 0; i < thread_count && woken < count; i++) {
        if (threads[i].pending != P_SLEEP || threads[i].asleep_on != word)
            continue;
        if (sleepers-- > count - woken && model_choose(2)) /* one of several: which is not told */
            continue;
        if (threads[i].asleep_on == word) { /* it may have expired while this was chosen */
            threads[i].asleep_on = NULL;
            woken++;
        }
    }
    return woken;
}

/* --- Choices ------------------------------------------------------------------------------------------------------ */

int model_choices(uint8_t out[MODEL_CHOICES])
{
    int count = 0;

    for (int i = 0; i < thread_count; i++) {
        const struct thread *t = &threads[i];
        unsigned alternatives = 0;
        unsigned from = 0;

        switch (t->pending) {
        case P_LOAD:
        case P_CHOOSE:
            alternatives = t->alternatives;
            break;
        case P_LOCKED:
            alternatives = t->count == 0;
            break;
        case P_ROOM:
            alternatives = t->count < BUFFER;
            break;
        case P_PAUSE:
            alternatives = !t->stale;
            break;
        case P_TAKE:
            alternatives = t->count == 0 && get(t->word, 1) != 0;
            break;
        case P_LOCK:
            alternatives = t->count == 0 && get(t->word, 4) == 0;
            break;
        case P_SLEEP:
            from = t->asleep_on != NULL;
            alternatives = from ? 1 + t->timed : 1;
            break;
        case P_DONE:
            break;
        }
        if (t->count > 0)
            out[count++] = (uint8_t)(i + FLUSH);
        for (unsigned a = from; a < alternatives; a++)
            out[count++] = (uint8_t)((unsigned)i + ALTERNATIVE * a);
    }
    return count;
}

/* After a thread has stopped: nothing of what its calls have left below is part of the state. */
static void settle(struct thread *thread)
{
    size_t size;
    unsigned char *sp = live_stack(thread, &size);

    memset(sp - 2048, 0, 2048); /* the switch's FP control words, too: nothing here counts with fractions */
    thread->stack_hash = hash_bytes(1, sp, size);
}

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(fault, 1);
}

/* While on, a thread that touches what is not there is something wrong like others. */
void model_catch_faults(bool on)
{
    static struct sigaction before;
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

    if (on)
        sigaction(SIGSEGV, &action, &before);
    else
        sigaction(SIGSEGV, &before, NULL);
}

static void resume(struct thread *thread)
{
    void *const sp = thread->context.sp; /* while it runs that is something else (runtime/context.h) */

    current = thread;
    if (model->self)
        *model->self = thread->self;
    if (sigsetjmp(fault, 0) == 0) {
        edo_context_switch(&home, &thread->context, thread);
    } else {
        current = NULL; /* and is not resumed */
        thread->context.sp = sp;
        model_wrong("memory that is touched exists", model->name, 0);
    }
    if (model->self)
        thread->self = *model->self;
    current = NULL;
    settle(thread);
}

void model_apply(uint8_t choice)
{
    struct thread *thread = &threads[choice % FLUSH];

    if (choice % ALTERNATIVE >= FLUSH) {
        struct buffered store = thread->buffer[0];

        thread->count--;
        memmove(thread->buffer, thread->buffer + 1, (size_t)thread->count * sizeof store);
        set(store.p, store.size, store.value, thread);
        current = thread;
        tell("(visible)", store.p, store.value, "", 0, "");
        current = NULL;
        return;
    }
    thread->chosen = choice / ALTERNATIVE;
    thread->alternatives = 0;
    resume(thread);
}

static void thread_main(void *baton)
{
    model->threads[(struct thread *)baton - threads]();
    append_late();
    for (;;)
        pause_for(P_DONE, 0);
}

bool model_ended(void)
{
    for (int i = 0; i < thread_count; i++)
        if (threads[i].pending != P_DONE || threads[i].count > 0)
            return false;
    return true;
}

void model_begin(void)
{
    memset(stacks, 0, sizeof stacks);
    memset(threads, 0, sizeof threads);
    current = NULL;
    model->setup();
    for (thread_count = 0; thread_count < MODEL_THREADS && model->threads[thread_count]; thread_count++) {
        struct thread *t = &threads[thread_count];

        edo_context_prepare(&t->context, stacks[thread_count], STACK, 0, thread_main);
    }
    for (int i = 0; i < thread_count; i++)
        resume(&threads[i]);
}

void model_forget_regions(void)
{
    region_count = statistics_count = private_count = 0;
    memset(private_owners, 0, sizeof private_owners);
}
