/* SPDX-License-Identifier: MIT */
/* What keys do to what is shown. */
#ifndef EDO_CLI_KEYS_H
#define EDO_CLI_KEYS_H

#include "cli/view.h"

/* Takes one key (screen.h). False: that was the last, the program is to end. */
bool edo_keys_take(struct edo_top *top, int key);

/* Shows another view, from its beginning; what was answered to the old one's question is forgotten. */
void edo_keys_view(struct edo_top *top, int view);

/* The paths that the choices come to: of the stream; of the view's question, "" where it has none. */
void edo_keys_stream_path(char out[EDO_LINK_PATH], struct edo_top *top);
void edo_keys_ask_path(char out[EDO_LINK_PATH], const struct edo_top *top);

#endif
