# SPDX-License-Identifier: MIT
#
# Prints the name of every function and variable that the given headers declare with EDO_API.
FNR == 1 { comment = 0; directive = 0; declaration = "" }
{
    line = $0
    # A preprocessor directive with all its continuation lines is no declaration.
    if (directive || (!comment && line ~ /^[ \t]*#/)) {
        directive = line ~ /\\$/
        next
    }
    text = ""
    while (line != "") {
        if (comment) {
            end = index(line, "*/")
            if (!end)
                break
            line = substr(line, end + 2)
            comment = 0
        } else {
            start = index(line, "/*")
            if (!start) {
                text = text line
                break
            }
            text = text substr(line, 1, start - 1) " "
            line = substr(line, start + 2)
            comment = 1
        }
    }
    if (declaration == "" && !match(text, /(^|[^A-Za-z0-9_])EDO_API([^A-Za-z0-9_]|$)/))
        next
    declaration = declaration (declaration == "" ? substr(text, RSTART) : " " text)
    if (declaration !~ /[;{]/)
        next
    sub(/[;{].*/, "", declaration)
    if (match(declaration, /edo_[a-z0-9_]+[ \t]*\(/)) # the first name before a parenthesis
        name = substr(declaration, RSTART, RLENGTH)
    else if (match(declaration, /edo_[a-z0-9_]+[ \t]*(\[[^]]*\])*[ \t]*$/)) # a variable: the last name
        name = substr(declaration, RSTART, RLENGTH)
    else
        name = "?? " FILENAME ": " declaration
    sub(/[ \t]*[[(].*/, "", name)
    print name
    declaration = ""
}
