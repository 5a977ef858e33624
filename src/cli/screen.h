/* SPDX-License-Identifier: MIT */
/*
 * The terminal, by ncurses: shows a canvas, and gives keys. Between edo_screen_open and edo_screen_close the terminal
 * is ours; whoever leaves in between (a signal, an error) closes it first; Ctrl-Z leaves it.
 *
 * ncurses keeps its state in globals: one screen a process, used by one task. A terminal may take its time (ssh,
 * Ctrl-S), so what writes or reads does so in a blocking region: the tasks that listen to the console go on meanwhile.
 */
#ifndef EDO_CLI_SCREEN_H
#define EDO_CLI_SCREEN_H

#include "cli/canvas.h"

/* What a key means, where it is no character. */
enum edo_key {
    EDO_KEY_NONE = 0x200000, /* nothing more has been pressed */
    EDO_KEY_CLOSED,          /* the terminal has gone */
    EDO_KEY_UP,
    EDO_KEY_DOWN,
    EDO_KEY_LEFT,
    EDO_KEY_RIGHT,
    EDO_KEY_PAGE_UP,
    EDO_KEY_PAGE_DOWN,
    EDO_KEY_HOME,
    EDO_KEY_END,
    EDO_KEY_ENTER,
    EDO_KEY_ESCAPE,
    EDO_KEY_BACKSPACE,
    EDO_KEY_TAB,
    EDO_KEY_BACK_TAB,
    EDO_KEY_OTHER
};

/* Takes the terminal. 0; -ENOTTY: standard input or output is none; -ENOTSUP: it cannot place a cursor (TERM). */
int edo_screen_open(bool colours);
void edo_screen_close(void);

/* Gives the terminal back for a while, until edo_screen_show. */
void edo_screen_leave(void);

/* Its size, as the kernel has it now; and ncurses is told. */
void edo_screen_size(int *rows, int *columns);

/* Shows the canvas; `whole`: whatever the screen shows by now. */
void edo_screen_show(const struct edo_canvas *canvas, bool whole);

/* The next key that has been pressed already: a character, or an enum edo_key. */
int edo_screen_key(void);

#endif
