#include "nkpk/archive/hdf5_handles.hpp"

#include <set>

#include "nkpk/archive/archive.hpp"

namespace nkpk::archive {

std::string hdf5_reason() {
  std::string reason = "no reason given by HDF5";
  const auto take_first = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    return 1;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &reason);
  return reason;
}

bool is_reserved(std::string_view name) {
  static const std::set<std::string_view> names = {
      "CLASS", "NAME", "_FillValue", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"};
  return names.contains(name) || name.starts_with("_Netcdf4") || name.starts_with("_NC") ||
         name.starts_with("_nc3");
}

Handle in_memory(const std::string& where) {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), where);
  check(H5Pset_fapl_core(access, std::size_t{1} << 20, false), where);
  return access;
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  check(H5get_libversion(&major, &minor, &release), "HDF5");
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace nkpk::archive
