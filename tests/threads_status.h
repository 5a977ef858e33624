/* SPDX-License-Identifier: MIT */
/* What the kernel says of this process's threads (/proc/self/task/N/status, proc_pid_status(5)). */
#ifndef EDO_TESTS_THREADS_STATUS_H
#define EDO_TESTS_THREADS_STATUS_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

/* The sum, over all threads and lines, of what `value` makes of a line. */
static inline uint64_t threads_sum(uint64_t (*value)(const char *line))
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    uint64_t sum = 0;

    while (tasks && (entry = readdir(tasks))) {
        char path[300], line[200];
        FILE *status;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        status = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (status && fgets(line, sizeof line, status))
            sum += value(line);
        if (status)
            fclose(status);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

#endif
