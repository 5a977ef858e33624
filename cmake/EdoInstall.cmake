# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts where: libraries, headers, find_package(edo) and pkg-config files, and gdb's commands for tasks. The pkg-config files find
# their prefix from where they lie, so that `cmake --install --prefix` needs no configuring anew.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(targets GLOBAL PROPERTY EDO_INSTALLED_TARGETS)
get_property(headers GLOBAL PROPERTY EDO_PUBLIC_HEADERS)
get_property(libraries GLOBAL PROPERTY EDO_LIBRARIES)

install(TARGETS ${targets} EXPORT edoTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/edo)

set(edo_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/edo)
install(EXPORT edoTargets NAMESPACE edo:: DESTINATION ${edo_cmake_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/edoConfig.cmake.in edoConfig.cmake
    INSTALL_DESTINATION ${edo_cmake_dir})
write_basic_package_version_file(edoConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/edoConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/edoConfigVersion.cmake
    DESTINATION ${edo_cmake_dir})

foreach(kind LIB INCLUDE DATA)
    if(IS_ABSOLUTE ${CMAKE_INSTALL_${kind}DIR})
        set(edo_pc_${kind} ${CMAKE_INSTALL_${kind}DIR})
    else()
        set(edo_pc_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}DIR}")
    endif()
endforeach()
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(edo_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
    file(RELATIVE_PATH edo_up /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
    string(REGEX REPLACE "/$" "" edo_up "${edo_up}")
    set(edo_pc_prefix "\${pcfiledir}/${edo_up}")
endif()
foreach(library IN LISTS libraries)
    configure_file(${CMAKE_CURRENT_LIST_DIR}/${library}.pc.in ${library}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${library}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# gdb looks for a script by the library's full path, which is known when it is installed: below <its data directory>/auto-load,
# which is that of /usr. Elsewhere users say `source <prefix>/share/edo/gdb/edo-gdb.py`.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/observe/gdb/ DESTINATION ${CMAKE_INSTALL_DATADIR}/edo/gdb
    FILES_MATCHING PATTERN "*.py" PATTERN "auto-load.py" EXCLUDE PATTERN "__pycache__" EXCLUDE)
if(TARGET edo)
    install(CODE "
        set(edo_library \"${CMAKE_INSTALL_LIBDIR}\")
        set(edo_data \"${CMAKE_INSTALL_DATADIR}\")
        foreach(edo_dir edo_library edo_data)
            if(NOT IS_ABSOLUTE \"\${\${edo_dir}}\")
                set(\${edo_dir} \"\${CMAKE_INSTALL_PREFIX}/\${\${edo_dir}}\")
            endif()
            get_filename_component(\${edo_dir} \"\${\${edo_dir}}\" REALPATH)
        endforeach()
        file(INSTALL DESTINATION \"\${edo_data}/gdb/auto-load\${edo_library}\" TYPE FILE
            RENAME \"$<TARGET_FILE_NAME:edo>-gdb.py\" FILES \"${PROJECT_SOURCE_DIR}/src/observe/gdb/auto-load.py\")")
endif()
