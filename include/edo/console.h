/* SPDX-License-Identifier: MIT */
/*
 * The console: a web page on which a program shows its tasks, what they wait for, its workers and their stalls, as they
 * are. The program serves it itself, when it is asked to:
 *
 *     EDO_CONSOLE=127.0.0.1:6669 ./program         or .console = "127.0.0.1:6669" in edo_run_options
 *     edo: console at http://127.0.0.1:6669/
 *
 * For that the program is linked with this library (CMake: edo::console; pkg-config: edo-console), and does nothing
 * else. A port alone means 127.0.0.1; port 0 is one that the system chooses. Whoever can connect to it sees the
 * program's inside, so choose a loopback address, and ssh -L for the way there; with another address a line on stderr
 * warns.
 *
 * It lives from the begin of the first outermost edo_run that asks for it to the end of the last, on a thread and in a
 * runtime of its own, so it answers while the program's workers are all kept; and it is not in what it shows. Without
 * anybody connected it does nothing at all. While someone is, it takes at most 4 % of one processor: then it looks at
 * the program every second, or as much less often. If it cannot be served a line on stderr says why, and the program
 * runs on.
 *
 * docs/guide/console.md tells of the page, and of what else is served: JSON, an event stream, and metrics for
 * Prometheus.
 */
#ifndef EDO_CONSOLE_H
#define EDO_CONSOLE_H

#include <edo/addr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The address at which the console of this process is served now. 0; -ENOENT: it is not, or this is a child of fork(2).
 * Any thread.
 */
EDO_API int edo_console_address(edo_addr *out);

#ifdef __cplusplus
}
#endif

#endif
