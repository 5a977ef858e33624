# SPDX-License-Identifier: MIT
#
# edo_add_library(<name> EXPORT_NAME <n> MAP <file> SOURCES ... HEADERS ... [LINKS <other library> ...] [WANTED <symbol>])
#
# One library in two forms, `<name>` (shared) and `<name>-static`, from objects that are compiled once. The objects are
# position-independent, so that the static form too can go into anybody's shared library. What is public is said twice on
# purpose, by EDO_API in a header and by a line in MAP: tests/abi compares them.
#
# -fno-semantic-interposition lets the compiler inline public functions inside the library. The initial-exec TLS model
# spares a function call for every look at the current worker; the linker turns it into one instruction in a program.
# -fno-tree-slp-vectorize: neighbouring fields are written one by one and read together then, which waits for the stores.
function(edo_add_library name)
    cmake_parse_arguments(arg "" "EXPORT_NAME;MAP;WANTED" "SOURCES;HEADERS;LINKS" ${ARGN})

    add_library(${name}-objects OBJECT ${arg_SOURCES})
    edo_compile(${name}-objects)
    set_target_properties(${name}-objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_compile_options(${name}-objects PRIVATE
        $<$<COMPILE_LANGUAGE:C>:-fno-semantic-interposition -ftls-model=initial-exec -fno-tree-slp-vectorize>)
    target_include_directories(${name}-objects PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

    set(forms ${name}-static)
    add_library(${name}-static STATIC $<TARGET_OBJECTS:${name}-objects>)
    if(EDO_SHARED)
        list(APPEND forms ${name})
        add_library(${name} SHARED $<TARGET_OBJECTS:${name}-objects>)
        set_target_properties(${name} PROPERTIES
            VERSION ${PROJECT_VERSION}
            SOVERSION ${PROJECT_VERSION_MAJOR}
            INSTALL_RPATH "$ORIGIN" # libedo-http.so finds libedo.so beside it, wherever they are installed
            LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${arg_MAP})
        target_link_options(${name} PRIVATE -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/${arg_MAP})
        if(NOT EDO_SANITIZE) # clang's sanitizers leave their symbols undefined in shared libraries
            target_link_options(${name} PRIVATE -Wl,-z,defs)
        endif()
    endif()

    foreach(form IN LISTS forms)
        string(REPLACE ${name} "" suffix ${form})
        set_target_properties(${form} PROPERTIES
            OUTPUT_NAME ${name}
            EXPORT_NAME ${arg_EXPORT_NAME}${suffix}
            LINKER_LANGUAGE C)
        target_include_directories(${form} PUBLIC
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:include>)
        foreach(other IN LISTS arg_LINKS)
            target_link_libraries(${form} PUBLIC ${other}${suffix})
        endforeach()
        target_link_libraries(${form} PRIVATE Threads::Threads)
        if(arg_WANTED) # linkers leave out a library of which a program names nothing: an archive always, a shared one by --as-needed
            target_link_options(${form} INTERFACE -Wl,--undefined=${arg_WANTED} -Wl,--no-as-needed)
        endif()
        add_library(edo::${arg_EXPORT_NAME}${suffix} ALIAS ${form})
    endforeach()
    if(NOT EDO_SHARED)
        add_library(edo::${arg_EXPORT_NAME} ALIAS ${name}-static)
    endif()

    set_property(GLOBAL APPEND PROPERTY EDO_INSTALLED_TARGETS ${forms})
    foreach(header IN LISTS arg_HEADERS)
        set_property(GLOBAL APPEND PROPERTY EDO_PUBLIC_HEADERS ${PROJECT_SOURCE_DIR}/include/edo/${header})
        set_property(GLOBAL APPEND PROPERTY EDO_HEADERS_OF_${name} ${PROJECT_SOURCE_DIR}/include/edo/${header})
    endforeach()
    set_property(GLOBAL APPEND PROPERTY EDO_LIBRARIES ${name})
    set_property(GLOBAL PROPERTY EDO_MAP_OF_${name} ${CMAKE_CURRENT_SOURCE_DIR}/${arg_MAP})
endfunction()
