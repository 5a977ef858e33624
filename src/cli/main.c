/* SPDX-License-Identifier: MIT */
/* The command `edo`: finds the subcommand and hands over. */
#include "cli/top.h"

#include <edo/base.h>

#include <stdio.h>

static void edo_help(FILE *file)
{
    fprintf(file,
            "edo %d.%d.%d: looks after programs that run on Edo\n"
            "\n"
            "  edo top [HOST:PORT | PORT]   what the tasks of a running program do, in this terminal\n"
            "                               (127.0.0.1:6669; start the program with EDO_CONSOLE=6669)\n"
            "      --once [--rows N]        one look, as plain text\n"
            "      --no-colour              without colours (also: NO_COLOR)\n"
            "      --runtime N              of several runtimes in the program the N-th\n"
            "  edo help                     this text\n"
            "  edo version\n"
            "\n"
            "In `edo top`, ? tells the keys. The guide: docs/guide/top.md.\n",
            EDO_VERSION_MAJOR, EDO_VERSION_MINOR, EDO_VERSION_PATCH);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "help";

    if (strcmp(command, "top") == 0)
        return edo_top_main(argc - 1, argv + 1);
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
        edo_help(stdout);
        return 0;
    }
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        printf("edo %d.%d.%d\n", EDO_VERSION_MAJOR, EDO_VERSION_MINOR, EDO_VERSION_PATCH);
        return 0;
    }
    fprintf(stderr, "edo: there is no command %s; see edo help\n", command);
    return 2;
}
