#pragma once
// Private to archive/: HDF5 behind checks. The one place that includes it.
#include <fmt/format.h>
#include <hdf5.h>
#include <hdf5_hl.h>

#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace nkpk::archive {

inline constexpr const char* version_attribute = "nkpk_format_version";
// HDF5 looks for a file of this name on disk even when it is to live in memory: there is none.
inline constexpr const char* name_in_memory = "/dev/null/nkpk-archive";

struct Hdf5Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A sound file that holds what the format does not know.
struct ForeignContent : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One at a time (not every HDF5 is built thread-safe), and HDF5 prints nothing meanwhile.
class Hdf5Session {
 public:
  Hdf5Session() : lock_(mutex()) {
    H5Eget_auto2(H5E_DEFAULT, &printer_, &printer_data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Hdf5Session() { H5Eset_auto2(H5E_DEFAULT, printer_, printer_data_); }
  Hdf5Session(const Hdf5Session&) = delete;
  Hdf5Session& operator=(const Hdf5Session&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex only;
    return only;
  }
  std::lock_guard<std::mutex> lock_;
  H5E_auto2_t printer_ = nullptr;
  void* printer_data_ = nullptr;
};

/// The innermost entry of HDF5's error stack: the cause, not the calls that passed it on.
std::string hdf5_reason();

/// Every HDF5 call goes through here; all its return types are negative on failure.
template <class Result>
Result check(Result result, const std::string& where) {
  if (result < 0) throw Hdf5Error(fmt::format("{}: {}", where, hdf5_reason()));
  return result;
}

class Handle {
 public:
  Handle(hid_t id, const std::string& where) : id_(check(id, where)) {}
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);  // closes an identifier of any kind
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

/// Names that HDF5 and netCDF-4 keep for themselves.
bool is_reserved(std::string_view name);

/// For a file that lives in memory alone.
Handle in_memory(const std::string& where);

template <class Element>
Handle type_of(bool in_file, const std::string& where) {
  if constexpr (std::is_same_v<Element, double>) {
    return Handle(H5Tcopy(in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE), where);
  } else if constexpr (std::is_same_v<Element, std::int64_t>) {
    return Handle(H5Tcopy(in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64), where);
  } else {
    Handle type(H5Tcopy(H5T_C_S1), where);
    check(H5Tset_size(type, H5T_VARIABLE), where);
    check(H5Tset_cset(type, H5T_CSET_UTF8), where);
    return type;
  }
}

/// Calls write(const void*) with the elements as HDF5 wants them in memory.
template <class Element, class Write>
void with_buffer(const std::vector<Element>& values, const std::string& where, const Write& write) {
  if constexpr (std::is_same_v<Element, std::string>) {
    std::vector<const char*> pointers;
    pointers.reserve(values.size());
    for (const auto& text : values) {
      if (text.find('\0') != std::string::npos)
        throw std::logic_error(where + ": text holds a NUL");
      pointers.push_back(text.c_str());
    }
    write(pointers.data());
  } else {
    write(values.data());
  }
}

}  // namespace nkpk::archive
