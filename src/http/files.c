/* SPDX-License-Identifier: MIT */
/*
 * Files as responses. Whatever touches the file system runs by edo_blocking, in few jobs: one opens the file and reads
 * its first part, so a small file takes one; then one for each further part.
 *
 * Invariant: what is sent was opened beneath the root (open_beneath.h) and is a regular file. No data but the task's.
 */
#include "http/exchange.h"
#include "http/open_beneath.h"
#include "http/path.h"
#include "http/types.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PART_SIZE = 32768, NAME_SIZE = 2048 };

/* One request for a file; on the handler's stack. */
struct file {
    const char *root;
    int fd;
    bool wants_body;
    bool is_directory; /* it is one, and was not named as one */
    struct stat status;
    int64_t at;
    ssize_t got; /* bytes in `part` */
    char name[NAME_SIZE + sizeof "index.html"];
    char part[PART_SIZE];
};

/* --- Where blocking is allowed ------------------------------------------------------------------------------------ */

static int read_part(void *argument)
{
    struct file *file = (struct file *)argument;
    int64_t left = (int64_t)file->status.st_size - file->at;

    do
        file->got = pread(file->fd, file->part, left < PART_SIZE ? (size_t)left : PART_SIZE, file->at);
    while (file->got < 0 && errno == EINTR);
    return file->got < 0 ? -errno : 0;
}

/* Opens file->name in `root`, and its index.html if it is a directory. A descriptor or an error. */
static int open_name(struct file *file, int root)
{
    size_t size = strlen(file->name);
    int fd = edo_http_open_beneath(root, size > 0 ? file->name : ".");

    if (fd >= 0 && fstat(fd, &file->status) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    if (fd < 0 || !S_ISDIR(file->status.st_mode))
        return fd;
    close(fd);
    if (size > 0 && file->name[size - 1] != '/') {
        file->is_directory = true;
        return -EISDIR;
    }
    memcpy(file->name + size, "index.html", sizeof "index.html");
    fd = edo_http_open_beneath(root, file->name);
    if (fd >= 0 && fstat(fd, &file->status) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static int open_file(void *argument)
{
    struct file *file = (struct file *)argument;
    int root = open(file->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (root < 0)
        return -errno;
    rc = open_name(file, root);
    close(root);
    file->fd = rc;
    if (rc < 0)
        return 0; /* which the client is told; file->fd says it */
    if (!S_ISREG(file->status.st_mode))
        rc = -EACCES;
    else
        rc = file->wants_body && file->status.st_size > 0 ? read_part(file) : 0;
    if (rc < 0) {
        close(file->fd);
        file->fd = rc;
    }
    return 0;
}

/* --- What the client has already ---------------------------------------------------------------------------------- */

/* Whether a list of entity tags has this one; weak ones count (RFC 9110 section 13.1.2). */
static bool has_tag(edo_str list, const char *tag)
{
    size_t size = strlen(tag);

    if (list.size == 1 && list.data[0] == '*')
        return true;
    for (size_t i = 0; i + size <= list.size; i++)
        if (memcmp(list.data + i, tag, size) == 0)
            return true;
    return false;
}

static bool is_unchanged(const edo_http_exchange *x, const struct file *file, const char *tag)
{
    edo_str tags = edo_http_header(x, "If-None-Match");
    edo_str since = edo_http_header(x, "If-Modified-Since");
    int64_t seconds;

    if (tags.data)
        return has_tag(tags, tag);
    return since.data && edo_http_date_parse(&seconds, since) == 0 && (int64_t)file->status.st_mtim.tv_sec <= seconds;
}

/* --- Responding --------------------------------------------------------------------------------------------------- */

/* The part of the path behind its last slash, as it was sent. */
static edo_str last_part(edo_str path)
{
    size_t at = path.size;

    while (at > 0 && path.data[at - 1] != '/')
        at--;
    return (edo_str){path.data + at, path.size - at};
}

/* A directory that was not named as one: relative links on its page would be wrong. */
static int redirect(edo_http_exchange *x)
{
    char location[1024];
    edo_str name = last_part(edo_http_path(x));
    edo_str query = edo_http_query(x);
    /* The dot keeps it a path, whatever the name looks like. */
    int size = snprintf(location, sizeof location, "./%.*s/%s%.*s", EDO_STR_ARG(name), query.data ? "?" : "",
                        EDO_STR_ARG(query));

    if (size >= (int)sizeof location)
        return edo_http_fail(x, 404, NULL);
    edo_http_set_header(x, "Location", location);
    return edo_http_fail(x, 308, NULL);
}

static int send_body(edo_http_exchange *x, struct file *file)
{
    int64_t size = file->status.st_size;
    ssize_t rc = 0;

    while (rc >= 0 && file->got > 0) {
        rc = edo_http_write(x, file->part, (size_t)file->got);
        file->at += file->got;
        file->got = 0;
        if (rc >= 0 && file->at < size)
            rc = edo_blocking(read_part, file);
    }
    return rc < 0 ? (int)rc : edo_http_end(x); /* which tells if the file became shorter meanwhile */
}

static int send_opened(edo_http_exchange *x, struct file *file)
{
    char text[EDO_HTTP_DATE_SIZE + 1] = {0};
    char tag[48];
    int64_t modified = file->status.st_mtim.tv_sec;
    int rc;

    snprintf(tag, sizeof tag, "\"%llx-%llx\"",
             (unsigned long long)modified * 1000000000 + (unsigned long long)file->status.st_mtim.tv_nsec,
             (unsigned long long)file->status.st_size);
    edo_http_set_header(x, "ETag", tag);
    edo_http_set_header(x, "X-Content-Type-Options", "nosniff");
    if (modified >= 0 && modified <= edo_wall() / EDO_SEC(1)) {
        edo_http_date_print(text, modified);
        edo_http_set_header(x, "Last-Modified", text);
    }
    if (is_unchanged(x, file, tag))
        return edo_http_respond(x, 304, NULL, NULL, 0);
    rc = edo_http_begin(x, 200, edo_http_type_of(edo_str_of(file->name)), file->status.st_size);
    return rc < 0 ? rc : send_body(x, file);
}

static int refuse(edo_http_exchange *x, const struct file *file)
{
    if (file->is_directory)
        return redirect(x);
    switch (file->fd) {
    case -EACCES:
    case -EPERM:
        return edo_http_fail(x, 403, NULL);
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        return edo_http_fail(x, 503, NULL);
    case -EIO:
        return edo_http_fail(x, 500, NULL);
    default: /* it is not there, it leads out of the directory, its name is too long */
        return edo_http_fail(x, 404, NULL);
    }
}

/* Whether a name of the path begins with a dot: such files are not for others' eyes. (RFC 8615 has the exception.) */
static bool is_hidden(const char *path)
{
    for (const char *dot = strstr(path, "/."); dot; dot = strstr(dot + 1, "/."))
        if (strncmp(dot, "/.well-known", 12) != 0 || (dot[12] != '/' && dot[12] != '\0'))
            return true;
    return false;
}

int edo_http_send_file(edo_http_exchange *x, const char *root, edo_str path)
{
    struct file file;
    ssize_t size;
    int rc;

    if (!edo_http_match(x, "GET", NULL)) {
        edo_http_set_header(x, "Allow", "GET, HEAD");
        return edo_http_fail(x, 405, NULL);
    }
    size = edo_http_path_decode(file.name, NAME_SIZE, path);
    if (size < 0)
        return edo_http_fail(x, size == -ENAMETOOLONG ? 404 : 400, NULL);
    if (is_hidden(file.name))
        return edo_http_fail(x, 404, NULL);
    memmove(file.name, file.name + 1, (size_t)size);
    file.root = root;
    file.fd = -ENOENT;
    file.is_directory = false;
    file.wants_body = x->head.method == EDO_HTTP_GET;
    file.at = 0;
    file.got = 0;
    rc = edo_blocking(open_file, &file);
    if (rc < 0)
        return rc;
    if (file.fd < 0)
        return refuse(x, &file);
    rc = send_opened(x, &file);
    close(file.fd);
    return rc;
}
