# The last step of `cmake --install`. Units, scripts and pages name paths as a package has them,
# below /usr and in /etc; whereto they are installed (--prefix) is known only now, so what was
# installed elsewhere gets the paths of its prefix here. What the program does about it:
# node::default_config_path.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  return()
endif()
foreach(file IN LISTS CMAKE_INSTALL_MANIFEST_FILES)
  set(installed "$ENV{DESTDIR}${file}")
  if(NOT file MATCHES "/(share|etc|systemd|sysusers\\.d)/.*[^g]$" OR IS_SYMLINK "${installed}") # no .png
    continue()
  endif()
  file(READ "${installed}" text)
  set(ours "${text}")
  foreach(path bin/qanat share/doc/qanat share/qanat)
    string(REPLACE "/usr/${path}" "${CMAKE_INSTALL_PREFIX}/${path}" ours "${ours}")
  endforeach()
  string(REPLACE "/etc/qanat" "${CMAKE_INSTALL_PREFIX}/etc/qanat" ours "${ours}")
  if(NOT ours STREQUAL text)
    file(WRITE "${installed}" "${ours}")
  endif()
endforeach()
