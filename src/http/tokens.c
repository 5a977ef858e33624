/* SPDX-License-Identifier: MIT */
/*
 * The table behind tokens.h, and the methods. Constant data; any thread.
 */
#include "http/tokens.h"

#define BETWEEN(c, low, high) ((c) >= (low) && (c) <= (high))
#define IS_DIGIT(c)           BETWEEN(c, '0', '9')
#define IS_ALPHA(c)           (BETWEEN(c, 'A', 'Z') || BETWEEN(c, 'a', 'z'))
#define IS_HEX(c)             (IS_DIGIT(c) || BETWEEN(c, 'A', 'F') || BETWEEN(c, 'a', 'f'))
#define IS_VISIBLE(c)         BETWEEN(c, 0x21, 0x7e)
#define IS_OBS_TEXT(c)        ((c) >= 0x80)
#define IS_SPACE(c)           ((c) == ' ' || (c) == '\t')

/* RFC 9110, 5.6.2: any visible character but the delimiters DQUOTE and (),/:;<=>?@[\]{} */
#define IS_DELIMITER(c)                                                                                                \
    ((c) == '"' || (c) == '(' || (c) == ')' || (c) == ',' || (c) == '/' || BETWEEN(c, ':', '@') ||                     \
     BETWEEN(c, '[', ']') || (c) == '{' || (c) == '}')
#define IS_TOKEN(c) (IS_VISIBLE(c) && !IS_DELIMITER(c))

/* RFC 9110, 5.5: field-vchar, and the whitespace between; 5.6.4: qdtext */
#define IS_VALUE(c)  (IS_SPACE(c) || IS_VISIBLE(c) || IS_OBS_TEXT(c))
#define IS_QUOTED(c) (IS_VALUE(c) && (c) != '"' && (c) != '\\')

/*
 * RFC 3986 allows fewer characters in a path or query; browsers send some of the others as they are (|, ^, [, ], {,
 * }, `), so what is visible passes. '#' would begin a fragment, which is never sent.
 */
#define IS_TARGET(c) (IS_VISIBLE(c) && (c) != '#')
#define IS_PATH(c)   (IS_TARGET(c) && (c) != '?')

/*
 * RFC 3986 lets a registered name have percent-escapes and sub-delimiters as well (!$&'()*+,;=). No host name has
 * them, but those who attack whatever is done with Host do.
 */
#define IS_HOST(c) (IS_ALPHA(c) || IS_DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '_')

#define BIT(is, class) ((is) ? (class) : 0)
#define CLASSES(c)                                                                                                     \
    (BIT(IS_TOKEN(c), EDO_HTTP_TOKEN) | BIT(IS_TARGET(c), EDO_HTTP_TARGET) | BIT(IS_PATH(c), EDO_HTTP_PATH) |          \
     BIT(IS_VALUE(c), EDO_HTTP_VALUE) | BIT(IS_HOST(c), EDO_HTTP_HOST) | BIT(IS_HEX(c), EDO_HTTP_HEX) |                \
     BIT(IS_DIGIT(c), EDO_HTTP_DIGIT) | BIT(IS_QUOTED(c), EDO_HTTP_QUOTED))
#define FOUR(c)    CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)

const uint8_t edo_http_classes[256] = {
    SIXTEEN(0x00), SIXTEEN(0x10), SIXTEEN(0x20), SIXTEEN(0x30), SIXTEEN(0x40), SIXTEEN(0x50),
    SIXTEEN(0x60), SIXTEEN(0x70), SIXTEEN(0x80), SIXTEEN(0x90), SIXTEEN(0xa0), SIXTEEN(0xb0),
    SIXTEEN(0xc0), SIXTEEN(0xd0), SIXTEEN(0xe0), SIXTEEN(0xf0),
};

enum edo_http_method edo_http_method_of(const uint8_t *text, size_t size)
{
    switch (size) {
    case 3:
        if (memcmp(text, "GET", 3) == 0)
            return EDO_HTTP_GET;
        if (memcmp(text, "PUT", 3) == 0)
            return EDO_HTTP_PUT;
        break;
    case 4:
        if (memcmp(text, "POST", 4) == 0)
            return EDO_HTTP_POST;
        if (memcmp(text, "HEAD", 4) == 0)
            return EDO_HTTP_HEAD;
        break;
    case 5:
        if (memcmp(text, "PATCH", 5) == 0)
            return EDO_HTTP_PATCH;
        if (memcmp(text, "TRACE", 5) == 0)
            return EDO_HTTP_TRACE;
        break;
    case 6:
        if (memcmp(text, "DELETE", 6) == 0)
            return EDO_HTTP_DELETE;
        break;
    case 7:
        if (memcmp(text, "OPTIONS", 7) == 0)
            return EDO_HTTP_OPTIONS;
        if (memcmp(text, "CONNECT", 7) == 0)
            return EDO_HTTP_CONNECT;
        break;
    }
    return EDO_HTTP_OTHER;
}
