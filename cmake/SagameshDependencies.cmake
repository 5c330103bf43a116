# Everything that Sagamesh is built with; scripts/install installs it.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_library(SAGAMESH_JEMALLOC jemalloc REQUIRED)
if(SAGAMESH_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()

find_program(SAGAMESH_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

if(NOT SAGAMESH_GOOGLEAPIS_DIR)
  set(SAGAMESH_GOOGLEAPIS_DIR ${CMAKE_SOURCE_DIR}/.tools/googleapis)
endif()
if(NOT EXISTS ${SAGAMESH_GOOGLEAPIS_DIR}/google/rpc/status.proto)
  message(FATAL_ERROR "google/rpc/status.proto is not in ${SAGAMESH_GOOGLEAPIS_DIR}: run scripts/install")
endif()

find_program(SAGAMESH_CCACHE ccache)
if(SAGAMESH_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SAGAMESH_CCACHE})
endif()
