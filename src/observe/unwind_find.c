/* SPDX-License-Identifier: MIT */
/*
 * Which record of the tables is about an address, and reading them. See unwind.h.
 *
 * The index is a header and a sorted array of pairs, the begin of a function and its record (FDE), both counted from
 * the index. A record points to what it has in common with others (CIE), and says for which code it is; beyond that
 * there is nothing, as between two functions.
 */
#include "observe/unwind.h"

enum {
    OMITTED = 0xff,
    SIGNED_4 = 0x0b,
    PC_RELATIVE = 0x10,
    DATA_RELATIVE = 0x30,
    INDIRECT = 0x80,
    RECORD_MOST = 1 << 20 /* bytes */
};

/* --- Cursors ------------------------------------------------------------------------------------------------------ */

void edo_cursor_init(struct edo_cursor *cursor, const struct edo_memory *memory, uintptr_t at, uintptr_t end)
{
    cursor->memory = memory;
    cursor->at = at;
    cursor->end = end;
    cursor->failed = end < at;
    cursor->chunk_at = 0;
    cursor->chunk_size = 0;
}

static unsigned char next(struct edo_cursor *cursor)
{
    size_t left;

    if (cursor->failed || cursor->at >= cursor->end) {
        cursor->failed = true;
        return 0;
    }
    if (cursor->at - cursor->chunk_at >= cursor->chunk_size) {
        left = cursor->end - cursor->at;
        cursor->chunk_size = left < sizeof cursor->chunk ? left : sizeof cursor->chunk;
        cursor->chunk_at = cursor->at;
        if (!cursor->memory->read(cursor->memory, cursor->chunk, cursor->at, cursor->chunk_size)) {
            cursor->failed = true;
            return 0;
        }
    }
    return cursor->chunk[cursor->at++ - cursor->chunk_at];
}

uint64_t edo_cursor_fixed(struct edo_cursor *cursor, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)next(cursor) << (8 * i);
    return value;
}

/* A LEB128 number; of the last byte: which it is, and how many bits it ends. What does not end in ten is none. */
static uint64_t leb128(struct edo_cursor *cursor, unsigned char *last, unsigned *bits)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        *last = next(cursor);
        *bits = shift + 7;
        if (shift < 64)
            value |= (uint64_t)(*last & 0x7f) << shift;
        if (!(*last & 0x80))
            return value;
    }
    cursor->failed = true;
    *last = 0;
    return 0;
}

uint64_t edo_cursor_unsigned(struct edo_cursor *cursor)
{
    unsigned char last;
    unsigned bits;

    return leb128(cursor, &last, &bits);
}

int64_t edo_cursor_signed(struct edo_cursor *cursor)
{
    unsigned char last;
    unsigned bits;
    uint64_t value = leb128(cursor, &last, &bits);

    if ((last & 0x40) && bits < 64)
        value |= UINT64_MAX << bits;
    return (int64_t)value;
}

void edo_cursor_skip(struct edo_cursor *cursor, uint64_t size)
{
    if (cursor->failed || size > cursor->end - cursor->at)
        cursor->failed = true;
    else
        cursor->at += (uintptr_t)size;
}

uintptr_t edo_cursor_pointer(struct edo_cursor *cursor, unsigned encoding, uintptr_t data)
{
    uintptr_t at = cursor->at;
    uint64_t value = 0;

    switch (encoding & 0x0f) {
    case 0x00:
        value = edo_cursor_fixed(cursor, sizeof(uintptr_t));
        break;
    case 0x01:
        value = edo_cursor_unsigned(cursor);
        break;
    case 0x02:
        value = edo_cursor_fixed(cursor, 2);
        break;
    case 0x03:
        value = edo_cursor_fixed(cursor, 4);
        break;
    case 0x04:
    case 0x0c:
        value = edo_cursor_fixed(cursor, 8);
        break;
    case 0x09:
        value = (uint64_t)edo_cursor_signed(cursor);
        break;
    case 0x0a:
        value = (uint64_t)(int16_t)edo_cursor_fixed(cursor, 2);
        break;
    case 0x0b:
        value = (uint64_t)(int32_t)edo_cursor_fixed(cursor, 4);
        break;
    default:
        cursor->failed = true;
    }
    switch (encoding & 0x70) {
    case 0:
        break;
    case PC_RELATIVE:
        value += at;
        break;
    case DATA_RELATIVE:
        value += data;
        break;
    default:
        cursor->failed = true;
    }
    return (uintptr_t)value;
}

/* --- Records ------------------------------------------------------------------------------------------------------ */

/* At the begin of a record; the cursor is then at what follows its length, and ends where the record does. */
static bool open_record(struct edo_cursor *out, const struct edo_memory *memory, uintptr_t at)
{
    uint64_t size;

    edo_cursor_init(out, memory, at, at + 4);
    size = edo_cursor_fixed(out, 4);
    if (out->failed || size == 0 || size > RECORD_MOST || size > UINTPTR_MAX - out->at)
        return false;
    edo_cursor_init(out, memory, out->at, out->at + (uintptr_t)size);
    return true;
}

/* What a CIE has; *encoding is that of the pointers in its FDEs. */
static bool read_common(struct edo_unwind_record *out, unsigned *encoding, bool *sized, const struct edo_memory *memory,
                        uintptr_t at)
{
    struct edo_cursor cursor;
    char letters[8] = "";
    uintptr_t after = 0;
    uint64_t back;
    unsigned version;
    size_t count = 0;

    if (!open_record(&cursor, memory, at) || edo_cursor_fixed(&cursor, 4) != 0)
        return false;
    version = (unsigned)edo_cursor_fixed(&cursor, 1);
    while ((letters[count] = (char)edo_cursor_fixed(&cursor, 1)) != '\0')
        if (++count == sizeof letters)
            return false;
    if (version == 4 && edo_cursor_fixed(&cursor, 2) != sizeof(void *)) /* and no segments */
        return false;
    if (version != 1 && version != 3 && version != 4)
        return false;
    out->code_factor = edo_cursor_unsigned(&cursor);
    out->data_factor = edo_cursor_signed(&cursor);
    back = version == 1 ? edo_cursor_fixed(&cursor, 1) : edo_cursor_unsigned(&cursor);
    if (back >= EDO_REGISTERS)
        return false;
    out->back = (uint8_t)back;
    out->signal = false;
    *encoding = 0;
    *sized = letters[0] == 'z';
    if (*sized) {
        uint64_t size = edo_cursor_unsigned(&cursor);

        after = cursor.at;
        if (cursor.failed || size > cursor.end - after)
            return false;
        after += (uintptr_t)size;
    } else if (count > 0) {
        return false;
    }
    for (size_t i = 1; i < count; i++) {
        if (letters[i] == 'R') {
            *encoding = (unsigned)edo_cursor_fixed(&cursor, 1);
        } else if (letters[i] == 'S') {
            out->signal = true;
        } else if (letters[i] == 'L') {
            edo_cursor_skip(&cursor, 1);
        } else if (letters[i] == 'P') {
            unsigned other = (unsigned)edo_cursor_fixed(&cursor, 1);

            if (other != OMITTED)
                edo_cursor_pointer(&cursor, other & 0x0fu, 0);
        } else if (letters[i] != 'B' && letters[i] != 'G') { /* signed return addresses, tagged stacks */
            break;
        }
    }
    out->common = *sized ? after : cursor.at;
    out->common_end = cursor.end;
    return !cursor.failed;
}

static bool read_record(struct edo_unwind_record *out, const struct edo_memory *memory, uintptr_t at, uintptr_t pc)
{
    struct edo_cursor cursor;
    unsigned encoding;
    bool sized;
    uintptr_t here;
    uint64_t back;

    if (!open_record(&cursor, memory, at))
        return false;
    here = cursor.at;
    back = edo_cursor_fixed(&cursor, 4);
    if (cursor.failed || back == 0 || back > here ||
        !read_common(out, &encoding, &sized, memory, here - (uintptr_t)back))
        return false;
    if (encoding & INDIRECT)
        return false;
    out->begin = edo_cursor_pointer(&cursor, encoding, 0);
    out->size = edo_cursor_pointer(&cursor, encoding & 0x0fu, 0);
    if (sized)
        edo_cursor_skip(&cursor, edo_cursor_unsigned(&cursor));
    out->program = cursor.at;
    out->program_end = cursor.end;
    return !cursor.failed && pc - out->begin < out->size;
}

/* --- The index ---------------------------------------------------------------------------------------------------- */

bool edo_unwind_find(struct edo_unwind_record *out, const struct edo_memory *memory, uintptr_t index, size_t index_size,
                     uintptr_t pc)
{
    struct edo_cursor cursor;
    unsigned encodings[3];
    uint64_t count;
    uint64_t low = 0;
    int32_t pair[2];

    if (index_size < 8 || index_size > UINTPTR_MAX - index)
        return false;
    edo_cursor_init(&cursor, memory, index, index + index_size);
    if (edo_cursor_fixed(&cursor, 1) != 1)
        return false;
    for (int i = 0; i < 3; i++)
        encodings[i] = (unsigned)edo_cursor_fixed(&cursor, 1);
    if (encodings[2] != (DATA_RELATIVE | SIGNED_4) || encodings[1] == OMITTED)
        return false;
    if (encodings[0] != OMITTED)
        edo_cursor_pointer(&cursor, encodings[0], index);
    count = edo_cursor_pointer(&cursor, encodings[1], index);
    if (cursor.failed || count == 0 || count > (cursor.end - cursor.at) / sizeof pair)
        return false;
    while (count > 1) { /* the last one that begins at `pc` or before lies in [low, low + count) */
        uint64_t half = count / 2;

        if (!memory->read(memory, pair, cursor.at + (uintptr_t)(low + half) * sizeof pair, sizeof pair))
            return false;
        if (index + (uintptr_t)(intptr_t)pair[0] <= pc) {
            low += half;
            count -= half;
        } else {
            count = half;
        }
    }
    return memory->read(memory, pair, cursor.at + (uintptr_t)low * sizeof pair, sizeof pair) &&
           read_record(out, memory, index + (uintptr_t)(intptr_t)pair[1], pc);
}
