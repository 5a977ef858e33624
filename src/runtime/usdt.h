/* SPDX-License-Identifier: MIT */
/*
 * Places where a tracer may look in from outside (USDT): bpftrace, perf, gdb and SystemTap know them as edo:NAME. Each
 * is one nop and a note in the file; docs/guide/traces.md lists them with their arguments. Without systemtap's
 * sys/sdt.h there are none, which CMake says.
 *
 * Arguments are what is in a register anyway, or fields, which the note tells as places in memory: nothing is computed
 * or loaded for them. On hot ways nothing else may be given.
 */
#ifndef EDO_RUNTIME_USDT_H
#define EDO_RUNTIME_USDT_H

#if EDO_USDT
#include <sys/sdt.h>

#define EDO_USDT1(name, a)          DTRACE_PROBE1(edo, name, a)
#define EDO_USDT2(name, a, b)       DTRACE_PROBE2(edo, name, a, b)
#define EDO_USDT3(name, a, b, c)    DTRACE_PROBE3(edo, name, a, b, c)
#define EDO_USDT4(name, a, b, c, d) DTRACE_PROBE4(edo, name, a, b, c, d)
#else
#define EDO_USDT1(name, a)          ((void)(a))
#define EDO_USDT2(name, a, b)       ((void)(a), (void)(b))
#define EDO_USDT3(name, a, b, c)    ((void)(a), (void)(b), (void)(c))
#define EDO_USDT4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

#endif
