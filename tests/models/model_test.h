/* SPDX-License-Identifier: MIT */
/*
 * What programs with models share: cmocka, and the explorer. Included before anything of src/.
 */
#ifndef EDO_TESTS_MODELS_MODEL_TEST_H
#define EDO_TESTS_MODELS_MODEL_TEST_H

#include "explore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
