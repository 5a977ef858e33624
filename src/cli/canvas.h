/* SPDX-License-Identifier: MIT */
/*
 * A frame of text, drawn in memory before anything of it reaches a terminal: rows of cells, each with a glyph and a
 * style. The views draw on it and know no terminal; screen.c shows it, and `edo top --once` prints it.
 *
 * All text goes through edo_canvas_put, and that is what makes it harmless: names come from the program that is looked
 * at, and may hold anything. What could move the cursor, change colours or the direction of writing, or has no width of
 * its own, is shown as \x1b or \u{202e}. A wide character takes two cells, so columns stay columns.
 *
 * Owned by one task. Drawing outside the frame is allowed and does nothing.
 */
#ifndef EDO_CLI_CANVAS_H
#define EDO_CLI_CANVAS_H

#include <edo/base.h>

#include <stdio.h>
#include <wchar.h>

enum edo_style {
    EDO_STYLE_PLAIN,
    EDO_STYLE_DIM,
    EDO_STYLE_STRONG,
    EDO_STYLE_TITLE,
    EDO_STYLE_HEAD, /* of a table */
    EDO_STYLE_SELECTED,
    EDO_STYLE_GOOD,
    EDO_STYLE_WARN,
    EDO_STYLE_BAD,
    EDO_STYLE_BAR,
    EDO_STYLE_COUNT
};

enum { EDO_GLYPH = 3 }; /* a character and at most two marks over or under it */

struct edo_cell {
    wchar_t glyph[EDO_GLYPH]; /* ends with 0 where there are fewer */
    uint8_t width;            /* columns; 0: the right half of the wide one before it */
    uint8_t style;
};

struct edo_canvas {
    int rows;
    int columns;
    bool ascii; /* the terminal knows no other characters */
    struct edo_cell *cells;
};

/* Makes a blank frame; sizes below 1 become 1. 0; -ENOMEM. */
int edo_canvas_init(struct edo_canvas *canvas, int rows, int columns, bool ascii);
void edo_canvas_finish(struct edo_canvas *canvas);
void edo_canvas_clear(struct edo_canvas *canvas);

/*
 * Writes text into `width` columns from there on, and an ellipsis at their end if it does not fit. Returns how many
 * columns it took. The text is UTF-8; bytes that are not are shown as \xff.
 */
int edo_canvas_put(struct edo_canvas *canvas, int row, int column, int width, int style, edo_str text);
int edo_canvas_printf(struct edo_canvas *canvas, int row, int column, int width, int style, const char *format, ...)
    EDO_PRINTF(6, 7);

/* Gives what stands in those columns another style. */
void edo_canvas_paint(struct edo_canvas *canvas, int row, int column, int width, int style);

/* One glyph of the bars: level 0 (nothing) to 8 (full). */
void edo_canvas_level(struct edo_canvas *canvas, int row, int column, int style, int level);

/* The rows as lines of text without blanks at their ends, up to the last that has any. 0; -EIO: not all was written. */
int edo_canvas_print(const struct edo_canvas *canvas, FILE *file);

#endif
