/* SPDX-License-Identifier: MIT */
/* `edo top`: the command. Returns the process's exit status. */
#ifndef EDO_CLI_TOP_H
#define EDO_CLI_TOP_H

int edo_top_main(int argc, char **argv);

#endif
