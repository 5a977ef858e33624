/* SPDX-License-Identifier: MIT */
/*
 * Frames of text; see canvas.h. UTF-8 is decoded here, whatever the locale: of that only wcwidth is asked, which knows
 * no width for what the locale does not have, so that it is shown by its number.
 */
#include "cli/canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

int edo_canvas_init(struct edo_canvas *canvas, int rows, int columns, bool ascii)
{
    canvas->rows = rows < 1 ? 1 : rows;
    canvas->columns = columns < 1 ? 1 : columns;
    canvas->ascii = ascii;
    canvas->cells = calloc((size_t)canvas->rows * (size_t)canvas->columns, sizeof *canvas->cells);
    if (!canvas->cells)
        return -ENOMEM;
    edo_canvas_clear(canvas);
    return 0;
}

void edo_canvas_finish(struct edo_canvas *canvas)
{
    free(canvas->cells);
    canvas->cells = NULL;
}

void edo_canvas_clear(struct edo_canvas *canvas)
{
    const struct edo_cell blank = {.glyph = {L' ', 0, 0}, .width = 1, .style = EDO_STYLE_PLAIN};

    for (size_t i = 0; i < (size_t)canvas->rows * (size_t)canvas->columns; i++)
        canvas->cells[i] = blank;
}

static struct edo_cell *edo_canvas_cell(const struct edo_canvas *canvas, int row, int column)
{
    if (row < 0 || row >= canvas->rows || column < 0 || column >= canvas->columns)
        return NULL;
    return &canvas->cells[(size_t)row * (size_t)canvas->columns + (size_t)column];
}

/* --- Characters --------------------------------------------------------------------------------------------------- */

/* The next character and how many bytes it has; -1: the first byte begins none. */
static int edo_utf8_next(uint32_t *out, edo_str text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    uint32_t c;

    if (size == 0 || (size_t)size > text.size)
        return -1;
    c = size == 1 ? at[0] : at[0] & (0x7fU >> size);
    for (int i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (at[i] & 0x3f);
    }
    if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    *out = c;
    return size;
}

/*
 * What has no shape, but says something to a terminal or to the layout of text: controls, separators, marks of
 * direction, joiners.
 */
static bool edo_is_format(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x0000, 0x001f}, {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x061c, 0x061c},
        {0x115f, 0x1160}, {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
        {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
        {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };

    for (size_t i = 0; i < EDO_COUNT(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

/* Where a call of edo_canvas_put is: its columns are [begin, end). */
struct edo_pen {
    struct edo_canvas *canvas;
    int row;
    int begin;
    int at;
    int end;
    int style;
};

static void edo_pen_cell(struct edo_pen *pen, wchar_t c, int width)
{
    struct edo_cell *cell = edo_canvas_cell(pen->canvas, pen->row, pen->at);

    if (cell)
        *cell = (struct edo_cell){.glyph = {c, 0, 0}, .width = (uint8_t)width, .style = (uint8_t)pen->style};
    if (width == 2 && (cell = edo_canvas_cell(pen->canvas, pen->row, pen->at + 1)))
        *cell = (struct edo_cell){.width = 0, .style = (uint8_t)pen->style};
    pen->at += width;
}

/* Ends what does not fit: the last column becomes an ellipsis, and no half of a wide character is left beside it. */
static void edo_pen_cut(struct edo_pen *pen)
{
    struct edo_cell *last;

    if (pen->at == pen->end) {
        last = edo_canvas_cell(pen->canvas, pen->row, pen->at - 1);
        pen->at = pen->end - 1;
        if (last && last->width == 0) {
            pen->at--;
            edo_pen_cell(pen, L' ', 1);
        }
    }
    edo_pen_cell(pen, pen->canvas->ascii ? L'~' : L'\u2026', 1);
}

/* One character; false: it does not fit. */
static bool edo_pen_put(struct edo_pen *pen, wchar_t c, int width)
{
    if (pen->at + width > pen->end)
        return false;
    edo_pen_cell(pen, c, width);
    return true;
}

static bool edo_pen_escape(struct edo_pen *pen, uint32_t c)
{
    char text[16];

    snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : "\\u{%x}", (unsigned)c);
    for (const char *at = text; *at; at++)
        if (!edo_pen_put(pen, (wchar_t)*at, 1))
            return false;
    return true;
}

/* A mark over or under the character before it; false: there is none in this text, or it has enough of them. */
static bool edo_pen_mark(struct edo_pen *pen, uint32_t c)
{
    int base = pen->at - 1;
    struct edo_cell *cell = base < pen->begin ? NULL : edo_canvas_cell(pen->canvas, pen->row, base);

    if (cell && cell->width == 0)
        cell = edo_canvas_cell(pen->canvas, pen->row, base - 1);
    if (!cell || cell->glyph[0] <= L' ')
        return false;
    for (int i = 1; i < EDO_GLYPH; i++)
        if (cell->glyph[i] == 0) {
            cell->glyph[i] = (wchar_t)c;
            return true;
        }
    return false;
}

int edo_canvas_put(struct edo_canvas *canvas, int row, int column, int width, int style, edo_str text)
{
    struct edo_pen pen = {canvas, row, column, column, column + width, style};

    if (column < 0 || width <= 0 || column >= canvas->columns)
        return 0;
    if (pen.end > canvas->columns)
        pen.end = canvas->columns;
    for (int size; text.size > 0; text.data += size, text.size -= (size_t)size) {
        uint32_t c = (unsigned char)text.data[0];
        int columns = -1;
        bool fits;

        size = edo_utf8_next(&c, text);
        if (size > 0 && !edo_is_format(c) && !(canvas->ascii && c > 0x7e))
            columns = wcwidth((wchar_t)c);
        if (size < 0)
            size = 1;
        if (columns == 0 && edo_pen_mark(&pen, c))
            fits = true;
        else if (columns == 1 || columns == 2)
            fits = edo_pen_put(&pen, (wchar_t)c, columns);
        else
            fits = edo_pen_escape(&pen, c);
        if (!fits) {
            edo_pen_cut(&pen);
            break;
        }
    }
    return pen.at - column;
}

int edo_canvas_printf(struct edo_canvas *canvas, int row, int column, int width, int style, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return size < 0 ? 0 : edo_canvas_put(canvas, row, column, width, style, edo_str_of(text));
}

void edo_canvas_paint(struct edo_canvas *canvas, int row, int column, int width, int style)
{
    for (int i = 0; i < width; i++) {
        struct edo_cell *cell = edo_canvas_cell(canvas, row, column + i);

        if (cell)
            cell->style = (uint8_t)style;
    }
}

void edo_canvas_level(struct edo_canvas *canvas, int row, int column, int style, int level)
{
    static const wchar_t blocks[] = L" \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588";
    static const wchar_t signs[] = L" .:-=+*#@";
    struct edo_pen pen = {canvas, row, column, column, column + 1, style};

    edo_pen_cell(&pen, (canvas->ascii ? signs : blocks)[level < 0 ? 0 : level > 8 ? 8 : level], 1);
}

/* --- Printing ----------------------------------------------------------------------------------------------------- */

/* Into at most 4 bytes. */
static size_t edo_utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static int edo_row_used(const struct edo_canvas *canvas, int row)
{
    int used = canvas->columns;

    while (used > 0 && edo_canvas_cell(canvas, row, used - 1)->glyph[0] == L' ')
        used--;
    return used;
}

int edo_canvas_print(const struct edo_canvas *canvas, FILE *file)
{
    int rows = canvas->rows;

    while (rows > 0 && edo_row_used(canvas, rows - 1) == 0)
        rows--;
    for (int row = 0; row < rows; row++) {
        int used = edo_row_used(canvas, row);

        for (int column = 0; column < used; column++) {
            const struct edo_cell *cell = edo_canvas_cell(canvas, row, column);

            for (int i = 0; cell->width > 0 && i < EDO_GLYPH && cell->glyph[i]; i++) {
                char bytes[4];

                fwrite(bytes, 1, edo_utf8_put(bytes, (uint32_t)cell->glyph[i]), file);
            }
        }
        putc('\n', file);
    }
    return fflush(file) != 0 || ferror(file) ? -EIO : 0;
}
