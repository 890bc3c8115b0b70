#pragma once
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "nkpk/core/error.hpp"

// What every fuzz target needs: the one allowed exception, bounds on time and on messages, places for files.

namespace nkpk::fuzz {

/// Ends the program, so that libFuzzer keeps the input.
[[noreturn]] inline void finding(const std::string& what) {
  std::fprintf(stderr, "FINDING: %s\n", what.c_str());
  std::abort();
}

inline double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline bool is_one_line_of_text(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

/// Runs a reader: it returns, or throws InputError with a message that a terminal can show; anything else is a finding.
/// Its own time on the processor is bounded too, in a build that is some ten times slower than the one people run: 2 s, and 10 s
/// for inputs as large as a file may be.
template <class Read>
bool accepts(std::size_t input_bytes, Read&& read) {
  constexpr std::size_t longest_message = 4000;
  const double begin = cpu_seconds();
  std::optional<std::string> message;
  try {
    read();
  } catch (const InputError& error) {
    message = error.what();
  }  // another exception ends the program
  const double seconds = cpu_seconds() - begin, bound = input_bytes < (std::size_t{1} << 16) ? 2 : 10;
  if (seconds > bound) finding(fmt::format("{:.1f} s on the processor for {} bytes", seconds, input_bytes));
  if (!message) return true;
  if (message->empty() || message->size() > longest_message) finding(fmt::format("a message of {} bytes", message->size()));
  if (!is_one_line_of_text(*message)) finding("a message that is not one line of text: " + *message);
  return false;
}

/// A file in memory that has a path, under which readers find what was last put there.
class MemoryFile {
 public:
  MemoryFile() : id_(::memfd_create("input", MFD_CLOEXEC)) {
    if (id_ < 0) finding("no file in memory");
  }
  std::string path() const { return fmt::format("/proc/self/fd/{}", id_); }
  void put(std::string_view content) const {
    const bool fits = ::ftruncate(id_, 0) == 0 && ::pwrite(id_, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size());
    if (!fits) finding("the file in memory cannot be written");
  }

 private:
  int id_;
};

/// A folder that goes when the program ends in order.
class Folder {
 public:
  Folder() {
    const std::filesystem::path place = std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (place / "nkpk-fuzz-XXXXXX").string();
    if (!::mkdtemp(name.data())) finding("no folder for files");
    path_ = name;
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

/// Cuts off and returns what stands before the next `end`, or all of it.
inline std::string_view take_until(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return part;
}

}  // namespace nkpk::fuzz
