/* SPDX-License-Identifier: MIT */
/* The page at "/". */
#ifndef SITE_PAGE_H
#define SITE_PAGE_H

#include <stddef.h>

extern const char site_page[];
extern const size_t site_page_size; /* without the terminating zero */

#endif
