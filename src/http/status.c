/* SPDX-License-Identifier: MIT */
/* Status codes: their reason phrases, and which one stands for an error. Constant data. */
#include "http/errors.h"
#include "http/status.h"

#include <edo/error.h>
#include <edo/http.h>

/* clang-format off */
#define STATUSES(S)                                                                                                    \
    S(200, "OK") S(201, "Created") S(202, "Accepted") S(203, "Non-Authoritative Information") S(204, "No Content")      \
    S(205, "Reset Content") S(206, "Partial Content") S(300, "Multiple Choices") S(301, "Moved Permanently")            \
    S(302, "Found") S(303, "See Other") S(304, "Not Modified") S(307, "Temporary Redirect")                             \
    S(308, "Permanent Redirect") S(400, "Bad Request") S(401, "Unauthorized") S(402, "Payment Required")                \
    S(403, "Forbidden") S(404, "Not Found") S(405, "Method Not Allowed") S(406, "Not Acceptable")                       \
    S(407, "Proxy Authentication Required") S(408, "Request Timeout") S(409, "Conflict") S(410, "Gone")                 \
    S(411, "Length Required") S(412, "Precondition Failed") S(413, "Content Too Large") S(414, "URI Too Long")          \
    S(415, "Unsupported Media Type") S(416, "Range Not Satisfiable") S(417, "Expectation Failed")                       \
    S(421, "Misdirected Request") S(422, "Unprocessable Content") S(423, "Locked") S(424, "Failed Dependency")          \
    S(425, "Too Early") S(426, "Upgrade Required") S(428, "Precondition Required") S(429, "Too Many Requests")          \
    S(431, "Request Header Fields Too Large") S(451, "Unavailable For Legal Reasons")                                   \
    S(500, "Internal Server Error") S(501, "Not Implemented") S(502, "Bad Gateway") S(503, "Service Unavailable")       \
    S(504, "Gateway Timeout") S(505, "HTTP Version Not Supported") S(507, "Insufficient Storage")
/* clang-format on */

#define LINE(number, reason)                                                                                           \
    case number:                                                                                                       \
        return EDO_STR("HTTP/1.1 " #number " " reason "\r\n");

edo_str edo_http_status_line(int status)
{
    switch (status) {
        STATUSES(LINE)
    default:
        return (edo_str){NULL, 0};
    }
}

#define REASON(number, reason)                                                                                         \
    case number:                                                                                                       \
        return reason;

const char *edo_http_reason(int status)
{
    switch (status) {
        STATUSES(REASON)
    default:
        return "";
    }
}

int edo_http_status_of(ssize_t rc)
{
    int status = edo_http_error_status(rc);

    if (status)
        return status;
    switch (rc) {
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
        return 503;
    default:
        return rc < 0 ? 500 : 200;
    }
}

const char *edo_http_strerror(ssize_t rc)
{
    const char *text = edo_http_error_text(rc);

    return text ? text : edo_strerror((int)rc);
}
