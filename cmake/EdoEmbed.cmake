# SPDX-License-Identifier: MIT
#
# edo_embed(<variable> <directory> <header>): sources that hold the directory's files as they are, for whom includes <header>; in <variable>.
# Whatever stands there is taken: a new file is seen when the build is next begun.
#
# The bytes come by the assembler's .incbin, so that there is neither a tool nor a copy to go stale; a table in C says what
# is where, and as what it is served.
function(edo_embed variable directory header)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded)
    file(GLOB files CONFIGURE_DEPENDS ${directory}/*)
    set(assembly "/* Made by cmake/EdoEmbed.cmake. */\n    .section .rodata\n")
    set(declared "")
    set(rows "")
    set(number 0)
    foreach(file IN LISTS files)
        get_filename_component(name ${file} NAME)
        get_filename_component(extension ${file} LAST_EXT)
        if(extension STREQUAL ".html")
            set(type "text/html; charset=utf-8")
        elseif(extension STREQUAL ".css")
            set(type "text/css; charset=utf-8")
        elseif(extension STREQUAL ".js")
            set(type "text/javascript; charset=utf-8")
        elseif(extension STREQUAL ".svg")
            set(type "image/svg+xml")
        elseif(extension STREQUAL ".png")
            set(type "image/png")
        elseif(extension STREQUAL ".ico")
            set(type "image/x-icon")
        else()
            continue()
        endif()
        set(symbol edo_embedded_${number})
        string(APPEND assembly
            "    .globl ${symbol}\n    .hidden ${symbol}\n${symbol}:\n    .incbin \"${file}\"\n"
            "    .globl ${symbol}_end\n    .hidden ${symbol}_end\n${symbol}_end:\n    .byte 0\n")
        string(APPEND declared "extern const char ${symbol}[], ${symbol}_end[];\n")
        if(name STREQUAL "index.html")
            string(APPEND rows "    {\"/\", \"${type}\", ${symbol}, ${symbol}_end},\n")
        endif()
        string(APPEND rows "    {\"/${name}\", \"${type}\", ${symbol}, ${symbol}_end},\n")
        math(EXPR number "${number} + 1")
    endforeach()
    string(APPEND assembly "    .section .note.GNU-stack,\"\",%progbits\n")
    file(GENERATE OUTPUT ${out}/files.S CONTENT "${assembly}")
    file(GENERATE OUTPUT ${out}/table.c CONTENT
        "/* Made by cmake/EdoEmbed.cmake. */\n#include \"${header}\"\n\n${declared}
const struct edo_embedded edo_embedded_files[] = {\n${rows}    {NULL, NULL, NULL, NULL},\n};\n")
    set_source_files_properties(${out}/files.S PROPERTIES OBJECT_DEPENDS "${files}")
    set(${variable} ${out}/files.S ${out}/table.c PARENT_SCOPE)
endfunction()
