/* SPDX-License-Identifier: MIT */
/* Dates: see date.h. The calendar is computed here, since libc's functions know locales and time zones. No data. */
#include "http/date.h"

#include <edo/time.h>

#include <errno.h>

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static void print_two(char *out, int64_t number)
{
    out[0] = (char)('0' + number / 10 % 10);
    out[1] = (char)('0' + number % 10);
}

void edo_http_date_print(char *out, int64_t seconds)
{
    int64_t days = seconds / 86400;
    int64_t second = seconds % 86400;
    /* Years that begin in March, so that leap days come last; eras of 400 of them. Day 0 is 0000-03-01. */
    int64_t day = days + 719468;
    int64_t era = day / 146097;
    int64_t of_era = day % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t march = (5 * of_year + 2) / 153;
    int64_t month = march < 10 ? march + 2 : march - 10;

    year += era * 400 + (month < 2);
    memcpy(out, "ddd, dd mmm yyyy hh:mm:ss GMT", EDO_HTTP_DATE_SIZE);
    memcpy(out, day_names[(days + 4) % 7], 3);
    print_two(out + 5, of_year - (153 * march + 2) / 5 + 1);
    memcpy(out + 8, month_names[month], 3);
    print_two(out + 12, year / 100);
    print_two(out + 14, year);
    print_two(out + 17, second / 3600);
    print_two(out + 20, second / 60 % 60);
    print_two(out + 23, second % 60);
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

struct reader {
    const char *at;
    const char *end;
    bool wrong;
};

static void read_text(struct reader *reader, const char *text)
{
    size_t size = strlen(text);

    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, text, size) != 0)
        reader->wrong = true;
    else
        reader->at += size;
}

static int read_number(struct reader *reader, int digits)
{
    int number = 0;

    for (int i = 0; i < digits; i++) {
        if (reader->wrong || reader->at == reader->end || *reader->at < '0' || *reader->at > '9') {
            reader->wrong = true;
            return 0;
        }
        number = number * 10 + (*reader->at++ - '0');
    }
    return number;
}

static int read_month(struct reader *reader)
{
    for (int i = 0; i < 12; i++)
        if (reader->end - reader->at >= 3 && memcmp(reader->at, month_names[i], 3) == 0) {
            reader->at += 3;
            return i + 1;
        }
    reader->wrong = true;
    return 1;
}

/* hh:mm:ss, as seconds; a leap second counts as the one before it. */
static int read_time(struct reader *reader)
{
    int hour = read_number(reader, 2);
    int minute, second;

    read_text(reader, ":");
    minute = read_number(reader, 2);
    read_text(reader, ":");
    second = read_number(reader, 2);
    if (hour > 23 || minute > 59 || second > 60)
        reader->wrong = true;
    return hour * 3600 + minute * 60 + (second < 60 ? second : 59);
}

static int64_t days_before(int64_t year, int month, int day)
{
    int64_t of_era, of_year;

    year -= month <= 2;
    of_era = year % 400;
    of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return year / 400 * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_day(int year, int month, int day)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

int edo_http_date_parse(int64_t *out, edo_str text)
{
    static const char *const long_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};
    struct reader reader = {text.data, text.data + text.size, false};
    int name = 0, day = 0, month, year, time;

    while (name < 7 && (text.size < 3 || memcmp(text.data, day_names[name], 3) != 0))
        name++;
    if (name == 7)
        return -EINVAL;
    if (text.size > 3 && text.data[3] == ',') { /* Sun, 06 Nov 1994 08:49:37 GMT */
        reader.at += 3;
        read_text(&reader, ", ");
        day = read_number(&reader, 2);
        read_text(&reader, " ");
        month = read_month(&reader);
        read_text(&reader, " ");
        year = read_number(&reader, 4);
        read_text(&reader, " ");
        time = read_time(&reader);
        read_text(&reader, " GMT");
    } else if (text.size > 3 && text.data[3] == ' ') { /* Sun Nov  6 08:49:37 1994 */
        reader.at += 4;
        month = read_month(&reader);
        read_text(&reader, " ");
        if (reader.at < reader.end && *reader.at == ' ') {
            reader.at++;
            day = read_number(&reader, 1);
        } else {
            day = read_number(&reader, 2);
        }
        read_text(&reader, " ");
        time = read_time(&reader);
        read_text(&reader, " ");
        year = read_number(&reader, 4);
    } else { /* Sunday, 06-Nov-94 08:49:37 GMT */
        read_text(&reader, long_names[name]);
        read_text(&reader, ", ");
        day = read_number(&reader, 2);
        read_text(&reader, "-");
        month = read_month(&reader);
        read_text(&reader, "-");
        year = read_number(&reader, 2);
        year += year < 70 ? 2000 : 1900;
        read_text(&reader, " ");
        time = read_time(&reader);
        read_text(&reader, " GMT");
    }
    if (reader.wrong || reader.at != reader.end || !is_day(year, month, day))
        return -EINVAL;
    *out = days_before(year, month, day) * 86400 + time;
    return 0;
}

/* --- The line that every response has ----------------------------------------------------------------------------- */

/* Makes the line, and tells when it will be out of date. */
static int64_t make_line(char *out, int64_t now)
{
    int64_t wall = edo_wall();

    memcpy(out, "Date: ", 6);
    edo_http_date_print(out + 6, wall / EDO_SEC(1));
    memcpy(out + 6 + EDO_HTTP_DATE_SIZE, "\r\n", 2);
    return now + EDO_SEC(1) - wall % EDO_SEC(1);
}

static __attribute__((noinline)) void renew(char *out, struct edo_http_clock *clock, int64_t now)
{
    uint64_t words[5] = {0};
    uint32_t sequence = atomic_load_explicit(&clock->sequence, memory_order_relaxed);
    int64_t until = make_line(out, now);

    if ((sequence & 1) || !atomic_compare_exchange_strong_explicit(&clock->sequence, &sequence, sequence + 1,
                                                                   memory_order_acquire, memory_order_relaxed))
        return; /* somebody else is at it */
    atomic_thread_fence(memory_order_release);
    memcpy(words, out, EDO_HTTP_DATE_LINE_SIZE);
    for (int i = 0; i < 5; i++)
        atomic_store_explicit(&clock->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&clock->until, until, memory_order_relaxed);
    atomic_store_explicit(&clock->sequence, sequence + 2, memory_order_release);
}

void edo_http_date_line(char *out, struct edo_http_clock *clock, int64_t now)
{
    uint32_t sequence = atomic_load_explicit(&clock->sequence, memory_order_acquire);

    if (!(sequence & 1) && now < atomic_load_explicit(&clock->until, memory_order_relaxed)) {
        uint64_t words[5];

        for (int i = 0; i < 5; i++)
            words[i] = atomic_load_explicit(&clock->words[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&clock->sequence, memory_order_relaxed) == sequence) {
            memcpy(out, words, EDO_HTTP_DATE_LINE_SIZE);
            return;
        }
    }
    renew(out, clock, now);
}
