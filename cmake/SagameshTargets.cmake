# The ways a target is made here, so that all have the same warnings.

set(SAGAMESH_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror=return-type)

# sagamesh_library(name SOURCES ... DEPS ... [GRPC]): GRPC reuses the precompiled header of gRPC and the stubs; without
# it the target is meant to include neither.
function(sagamesh_library name)
  cmake_parse_arguments(ARG "GRPC" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${SAGAMESH_WARNINGS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  sagamesh_only_for_tests(${name})
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC sagamesh_protos)
    target_precompile_headers(${name} REUSE_FROM sagamesh_pch)
  endif()
endfunction()

# sagamesh_private_proto(target FILE.proto): compiles a message that is the target's own: nothing else includes its
# header, FOLDER/FILE.pb.h, and it is never installed.
function(sagamesh_private_proto target proto)
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE folder)
  cmake_path(GET proto STEM base)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
  set(outputs ${generated}/${folder}/${base}.pb.cc ${generated}/${folder}/${base}.pb.h)
  file(MAKE_DIRECTORY ${generated}/${folder})
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR} --cpp_out=${generated} ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
    VERBATIM)
  target_sources(${target} PRIVATE ${outputs})
  target_include_directories(${target} SYSTEM PRIVATE ${generated})
endfunction()

# sagamesh_binary(name SOURCES ... DEPS ... [JEMALLOC]): JEMALLOC allocates memory by it, which takes a quarter less
# CPU in our services than glibc's malloc, whose arenas meet much that one thread allocates and another frees.
function(sagamesh_binary name)
  cmake_parse_arguments(ARG "JEMALLOC" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${SAGAMESH_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  if(ARG_JEMALLOC)
    target_link_libraries(${name} PRIVATE ${SAGAMESH_JEMALLOC})
  endif()
  sagamesh_only_for_tests(${name})
endfunction()

# With a sanitizer, what no test needs is built only when it is asked for.
function(sagamesh_only_for_tests name)
  if(SAGAMESH_SANITIZE)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  endif()
endfunction()

# sagamesh_test(name SOURCES ... DEPS ... [NO_TSAN] [SERVERS]): one GoogleTest program, one ctest test of that name, label
# "unit".
# NO_TSAN: it links gRPC, which is not instrumented, or runs on fibres, which ThreadSanitizer does not follow.
# SERVERS: its instantiations named "Servers" run once more, against real database servers (tests/databases/servers.py).
function(sagamesh_test name)
  cmake_parse_arguments(ARG "NO_TSAN;SERVERS" "" "SOURCES;DEPS" ${ARGN})
  if(NOT SAGAMESH_BUILD_TESTS OR (ARG_NO_TSAN AND SAGAMESH_SANITIZE STREQUAL "thread"))
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${SAGAMESH_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set(sanitizer_options "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp"
    "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/lsan.supp")
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120
    ENVIRONMENT "${sanitizer_options}")
  if(ARG_SERVERS AND NOT SAGAMESH_SANITIZE)
    add_test(NAME ${name}_on_servers COMMAND ${name} --gtest_filter=Servers/*)
    set_tests_properties(${name}_on_servers PROPERTIES
      LABELS servers TIMEOUT 300 RUN_SERIAL TRUE FAIL_REGULAR_EXPRESSION "Running 0 tests")
  endif()
endfunction()
