# Where things go. No path is compiled in: program and library walk up from where they lie until they
# meet params/model.toml (source tree) or share/nkpk/params/model.toml (installed), so that an installed
# tree may be moved.
get_property(libraries GLOBAL PROPERTY NKPK_LIBRARIES)

if(DEFINED SKBUILD)
  # A wheel: the Python package, the program beside the environment's python, the data. No headers.
  if(NOT TARGET _core)
    message(FATAL_ERROR "A wheel needs the Python extension: leave NKPK_PYTHON on")
  endif()
  install(TARGETS _core LIBRARY DESTINATION nkpk)
  install(TARGETS nkpk_cli RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR})
  install(DIRECTORY params DESTINATION ${SKBUILD_DATA_DIR}/share/nkpk)
  return()
endif()

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nkpk)

install(TARGETS nkpk_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY params DESTINATION ${CMAKE_INSTALL_DATADIR}/nkpk)

foreach(library IN LISTS libraries)
  string(REGEX REPLACE "^nkpk_" "" folder ${library})
  install(DIRECTORY ${folder}/ DESTINATION include/nkpk/${folder} FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/include/nkpk/version.hpp DESTINATION include/nkpk)
install(FILES ${PROJECT_BINARY_DIR}/include/nkpk/generated/linearization.hpp ${PROJECT_BINARY_DIR}/include/nkpk/generated/forcing.hpp DESTINATION include/nkpk/generated)

# nkpk_warnings goes with them because static libraries keep the names of what they are linked to, even
# privately; consumers do not inherit its flags.
install(TARGETS ${libraries} nkpk_warnings EXPORT nkpkTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT nkpkTargets NAMESPACE nkpk:: DESTINATION ${config_dir})
configure_package_config_file(cmake/nkpkConfig.cmake.in ${PROJECT_BINARY_DIR}/nkpkConfig.cmake
                              INSTALL_DESTINATION ${config_dir})
# Before 1.0 a minor version may change any interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/nkpkConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/nkpkConfig.cmake ${PROJECT_BINARY_DIR}/nkpkConfigVersion.cmake
        DESTINATION ${config_dir})
