/* SPDX-License-Identifier: MIT */
/* The terminal; see screen.h. The one file that knows ncurses. */
#define NCURSES_WIDECHAR 1
#include "cli/screen.h"

#include <edo/blocking.h>

#include <curses.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#undef columns /* <term.h> has macros for each capability of a terminal */

static attr_t attributes[EDO_STYLE_COUNT];
static short pairs[EDO_STYLE_COUNT];
static SCREEN *screen;

/*
 * Runs a function of ncurses that may wait for the terminal; also where the scope is cancelled, and no region is begun.
 */
static int edo_screen_wait(int (*function)(void))
{
    bool region = edo_blocking_begin() == 0;
    int rc = function();

    if (region)
        edo_blocking_end();
    return rc;
}

static void edo_screen_styles(bool colours)
{
    static const attr_t plain[EDO_STYLE_COUNT] = {
        [EDO_STYLE_STRONG] = A_BOLD,      [EDO_STYLE_TITLE] = A_REVERSE, [EDO_STYLE_HEAD] = A_BOLD | A_UNDERLINE,
        [EDO_STYLE_SELECTED] = A_REVERSE, [EDO_STYLE_WARN] = A_BOLD,     [EDO_STYLE_BAD] = A_STANDOUT,
    };
    static const short shades[EDO_STYLE_COUNT] = {
        [EDO_STYLE_GOOD] = COLOR_GREEN,
        [EDO_STYLE_WARN] = COLOR_YELLOW,
        [EDO_STYLE_BAD] = COLOR_RED,
        [EDO_STYLE_BAR] = COLOR_CYAN,
    };

    memcpy(attributes, plain, sizeof attributes);
    memset(pairs, 0, sizeof pairs);
    if (!colours || !has_colors() || start_color() == ERR)
        return;
    use_default_colors();
    for (int i = 0; i < EDO_STYLE_COUNT; i++)
        if (shades[i] != 0 && init_pair((short)i, shades[i], -1) != ERR)
            pairs[i] = (short)i;
    attributes[EDO_STYLE_DIM] = A_DIM;
    attributes[EDO_STYLE_BAD] = A_BOLD;
}

int edo_screen_open(bool colours)
{
    bool able;
    int error;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return -ENOTTY;
    if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
        return -ENOTSUP;
    able = cursor_address && clear_screen;
    del_curterm(cur_term);
    if (!able)
        return -ENOTSUP;
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return -ENOTSUP;
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    edo_screen_styles(colours);
    return 0;
}

void edo_screen_leave(void)
{
    if (screen)
        edo_screen_wait(endwin);
}

void edo_screen_close(void)
{
    edo_screen_leave();
    if (screen)
        delscreen(screen);
    screen = NULL;
}

void edo_screen_size(int *rows, int *columns)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        (size.ws_row != LINES || size.ws_col != COLS))
        resizeterm(size.ws_row, size.ws_col);
    *rows = LINES;
    *columns = COLS;
}

static int edo_screen_refresh(void)
{
    return wrefresh(stdscr);
}

void edo_screen_show(const struct edo_canvas *canvas, bool whole)
{
    erase();
    for (int row = 0; row < canvas->rows; row++)
        for (int column = 0; column < canvas->columns; column++) {
            const struct edo_cell *cell = &canvas->cells[(size_t)row * (size_t)canvas->columns + (size_t)column];
            wchar_t glyph[EDO_GLYPH + 1] = {cell->glyph[0], cell->glyph[1], cell->glyph[2], 0};
            cchar_t shown;

            if (cell->width > 0 && setcchar(&shown, glyph, attributes[cell->style], pairs[cell->style], NULL) == OK)
                mvadd_wch(row, column, &shown);
        }
    if (whole)
        clearok(stdscr, TRUE);
    edo_screen_wait(edo_screen_refresh);
}

static wint_t pressed;

static int edo_screen_get(void)
{
    return wget_wch(stdscr, &pressed);
}

int edo_screen_key(void)
{
    static const struct {
        wint_t code;
        int key;
    } keys[] = {
        {KEY_UP, EDO_KEY_UP},         {KEY_DOWN, EDO_KEY_DOWN},
        {KEY_LEFT, EDO_KEY_LEFT},     {KEY_RIGHT, EDO_KEY_RIGHT},
        {KEY_PPAGE, EDO_KEY_PAGE_UP}, {KEY_NPAGE, EDO_KEY_PAGE_DOWN},
        {KEY_HOME, EDO_KEY_HOME},     {KEY_END, EDO_KEY_END},
        {KEY_ENTER, EDO_KEY_ENTER},   {KEY_BACKSPACE, EDO_KEY_BACKSPACE},
        {KEY_BTAB, EDO_KEY_BACK_TAB},
    };
    int kind = edo_screen_wait(edo_screen_get); /* waits for what follows an Esc */
    wint_t code = pressed;
    int left = 0;

    if (kind == OK)
        switch (code) {
        case '\r':
        case '\n':
            return EDO_KEY_ENTER;
        case 0x1b:
            return EDO_KEY_ESCAPE;
        case 0x7f:
        case '\b':
            return EDO_KEY_BACKSPACE;
        case '\t':
            return EDO_KEY_TAB;
        default:
            return code < 0x110000 ? (int)code : EDO_KEY_OTHER;
        }
    if (kind == KEY_CODE_YES) {
        for (size_t i = 0; i < EDO_COUNT(keys); i++)
            if (keys[i].code == code)
                return keys[i].key;
        return EDO_KEY_OTHER;
    }
    /* Readable without a byte to read: nobody will press anything there any more. */
    return ioctl(STDIN_FILENO, FIONREAD, &left) < 0 ? EDO_KEY_CLOSED : EDO_KEY_NONE;
}
