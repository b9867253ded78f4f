# The last step of `cmake --install`, when it is known whereto (--prefix). Units, scripts and pages
# name paths as a package has them, below /usr and in /etc; here they get those of the prefix.
# What the program does about it: src/node/config_path.h.

# `dir` of the prefix, or as it is where it is absolute.
macro(in_prefix variable dir)
  cmake_path(APPEND CMAKE_INSTALL_PREFIX "${dir}" OUTPUT_VARIABLE ${variable})
endmacro()
in_prefix(bin "${CMAKE_INSTALL_BINDIR}")
in_prefix(lib "${CMAKE_INSTALL_LIBDIR}")
in_prefix(data "${CMAKE_INSTALL_DATADIR}")
in_prefix(doc "${CMAKE_INSTALL_DOCDIR}")
in_prefix(etc "${CMAKE_INSTALL_SYSCONFDIR}")
if(etc STREQUAL "/usr/etc")
  set(etc "/etc")
endif()

# The operator's, once it is there; so it is not in the list of what `uninstall` removes, either.
set(config "$ENV{DESTDIR}${etc}/qanat/qanat.toml")
if(EXISTS "${config}")
  message(STATUS "Kept: ${config}")
  set(config)
else()
  message(STATUS "Installing: ${config}")
  configure_file("${packaging}/qanat.toml" "${config}" COPYONLY)
endif()

# From the folder of the file, so that such a tree may be moved.
set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  string(REGEX REPLACE "[^/]+" ".." up "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  set(pc_prefix "\${pcfiledir}/${up}")
endif()

list(TRANSFORM CMAKE_INSTALL_MANIFEST_FILES PREPEND "$ENV{DESTDIR}" OUTPUT_VARIABLE installed)
# Programs, libraries and pictures name none.
list(FILTER installed EXCLUDE REGEX "^$ENV{DESTDIR}${bin}/|\\.(so[.0-9]*|a|png)$")
foreach(file IN LISTS installed config)
  file(READ "${file}" text)
  set(theirs "${text}")
  string(REPLACE "/usr/bin/qanat" "${bin}/qanat" theirs "${theirs}")
  string(REPLACE "/usr/share/doc/qanat" "${doc}" theirs "${theirs}")
  string(REPLACE "/usr/share/qanat" "${data}/qanat" theirs "${theirs}")
  string(REPLACE "/etc/qanat" "${etc}/qanat" theirs "${theirs}")
  if(file MATCHES "/qanat\\.pc$" AND NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    string(REPLACE "prefix=/usr\n" "prefix=${pc_prefix}\n" theirs "${theirs}")
  endif()
  if(NOT theirs STREQUAL text)
    file(WRITE "${file}" "${theirs}")
  endif()
endforeach()

set(modules "${lib}/ossl-modules")
if(NOT modules STREQUAL openssl_modules AND "$ENV{DESTDIR}" STREQUAL "")
  message(STATUS "OpenSSL looks for providers in ${openssl_modules}; ours is ${modules}/qanat.so. "
          "Set OPENSSL_MODULES=${modules}, or name the file in openssl.cnf: module = ${modules}/qanat.so")
endif()
