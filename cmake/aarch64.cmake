# Debian's cross compiler for 64-bit ARM, the libraries that scripts/test_aarch64.sh unpacked, and an emulator for what the
# build runs (generate/) and for the tests.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
cmake_path(SET CMAKE_SYSROOT NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot/root)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${CMAKE_SYSROOT})

# programs of this machine; headers, libraries and packages of the other alone
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# FindHDF5 asks a wrapper h5cc where HDF5 lies, and this machine's would name this machine's
set(HDF5_C_COMPILER_EXECUTABLE /bin/false CACHE FILEPATH "No wrapper: HDF5 is searched for")
