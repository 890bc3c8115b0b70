// Group <-> HDF5 that netCDF-4 readers open too; the rules are in docs/archive_format.md.
//
// HDF5 does not touch the disk, but for archives that grow and outlines: a file is built and read as an image in
// memory, file_bytes.hpp does the rest. A disk that fills up under HDF5 1.10 leaves a file that can be neither flushed nor
// closed; plain write() reports it and lets us clean up. HDF5's own file locks cannot get in the
// way either, nor can another user of the library in this process (h5py) that has the file open.
#include "nkpk/archive/archive.hpp"

#include <fmt/format.h>
#include <hdf5.h>
#include <hdf5_hl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include "nkpk/archive/file_bytes.hpp"
#include "nkpk/archive/growing.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

constexpr const char* version_attribute = "nkpk_format_version";
constexpr std::size_t compress_from = 64;  // elements; below, a chunk costs more than it saves
constexpr std::size_t max_chunk_elements = 131'072;  // 1 MiB: what HDF5's default chunk cache holds
constexpr int max_depth = 64;                        // hard links can form loops in a foreign file
// HDF5 looks for a file of this name on disk even when it is to live in memory: there is none.
constexpr const char* name_in_memory = "/dev/null/nkpk-archive";

// --- HDF5 behind checks --------------------------------------------------------------------------

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
std::string hdf5_reason() {
  std::string reason = "no reason given by HDF5";
  const auto take_first = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    return 1;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &reason);
  return reason;
}

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

bool is_reserved(std::string_view name) {
  static const std::set<std::string_view> names = {
      "CLASS", "NAME", "_FillValue", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"};
  return names.contains(name) || name.starts_with("_Netcdf4") || name.starts_with("_NC") ||
         name.starts_with("_nc3");
}

// --- Building an image ---------------------------------------------------------------------------

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

template <class Element>
void put_attribute(hid_t object, const std::string& name, const std::vector<Element>& values,
                   bool scalar, const std::string& owner) {
  const std::string where = fmt::format("{}: attribute {}", owner, name);
  const hsize_t extent = values.size();
  const Handle space(scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &extent, nullptr), where);
  const Handle type = type_of<Element>(true, where);
  const Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                         where);
  if (values.empty()) return;
  const Handle memory = type_of<Element>(false, where);
  with_buffer(values, where,
              [&](const void* buffer) { check(H5Awrite(attribute, memory, buffer), where); });
}

void put_attribute(hid_t object, const std::string& name, const AttributeValue& value,
                   const std::string& owner) {
  std::visit(
      [&]<class Value>(const Value& v) {
        if constexpr (requires { typename Value::allocator_type; } &&
                      !std::is_same_v<Value, std::string>) {
          put_attribute(object, name, v, false, owner);
        } else {
          put_attribute(object, name, std::vector<Value>{v}, true, owner);
        }
      },
      value);
}

void put_attributes(hid_t object, const Attributes& attributes,
                    const std::set<std::string_view>& ours, const std::string& owner) {
  for (const auto& [name, value] : attributes) {
    if (name.empty() || is_reserved(name) || ours.contains(name)) {
      throw std::logic_error(fmt::format("{}: attribute name \"{}\" is reserved", owner, name));
    }
    put_attribute(object, name, value, owner);
  }
}

/// The coordinates of a group, and of the groups around it.
struct Scope {
  struct Scale {
    hid_t id;
    std::size_t length;
  };
  const Scope* outer = nullptr;
  std::map<std::string, Scale> scales = {};

  const Scale* find(const std::string& name) const {
    const auto found = scales.find(name);
    if (found != scales.end()) return &found->second;
    return outer == nullptr ? nullptr : outer->find(name);
  }
};

/// How arrays along one dimension are laid out that are to become longer; null elsewhere.
struct Growth {
  std::string dimension;
  std::size_t at_most;  ///< its final length

  bool concerns(const NamedArray& array) const {
    return !array.dims.empty() && array.dims[0] == dimension;
  }
};

bool is_coordinate(const NamedArray& array) { return array.dims == std::vector{array.name}; }

void check_shape(const NamedArray& array, const std::string& where) {
  if (array.dims.size() != array.shape.size())
    throw std::logic_error(where + ": dims and shape differ in length");
  std::size_t size = 1;
  for (const std::size_t extent : array.shape) size *= extent;
  const std::size_t held = std::visit([](const auto& values) { return values.size(); }, array.data);
  if (size != held)
    throw std::logic_error(fmt::format("{}: {} elements, shape asks for {}", where, held, size));
  if (!is_coordinate(array) && std::ranges::count(array.dims, array.name) > 0) {
    throw std::logic_error(where + ": bears the name of a dimension but is not its coordinate");
  }
}

/// Whole slabs of the leading dimensions, so that an array written at once fills chunk after chunk.
std::vector<hsize_t> chunk_shape(const std::vector<std::size_t>& shape) {
  std::vector<hsize_t> chunk;
  for (const std::size_t extent : shape) chunk.push_back(std::max<std::size_t>(1, extent));
  hsize_t elements = 1;
  for (const hsize_t extent : chunk) elements *= extent;
  for (auto& extent : chunk) {
    const hsize_t inner = elements / extent;
    const hsize_t fits = std::max<hsize_t>(1, max_chunk_elements / inner);
    if (fits < extent) {
      const hsize_t n_chunks = (extent + fits - 1) / fits;
      extent = (extent + n_chunks - 1) / n_chunks;
    }
    elements = inner * extent;
    if (elements <= max_chunk_elements) break;
  }
  return chunk;
}

/// As many rows as a block adds, or a power of two that fits: blocks then fill whole chunks.
std::vector<hsize_t> growing_chunk_shape(const std::vector<std::size_t>& shape) {
  std::vector<hsize_t> chunk{GrowingArchive::most_chunk_rows};
  hsize_t inner = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) {
    chunk.push_back(std::max<std::size_t>(1, shape[i]));
    inner *= chunk.back();
  }
  while (chunk[0] > 1 && chunk[0] * inner > max_chunk_elements) chunk[0] /= 2;
  return chunk;
}

/// Same bytes for the same tree (no times), and the creation order that netCDF-4 asks for.
Handle object_properties(hid_t kind, const std::string& where) {
  Handle properties(H5Pcreate(kind), where);
  check(H5Pset_obj_track_times(properties, false), where);
  check(H5Pset_attr_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
        where);
  if (kind != H5P_DATASET_CREATE) {
    check(H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
          where);
  }
  return properties;
}

template <class Element>
Handle build_dataset(hid_t group, const NamedArray& array, const std::vector<Element>& values,
                     const Growth* growth, const std::string& where) {
  const Handle properties = object_properties(H5P_DATASET_CREATE, where);
  const bool grows = growth != nullptr && growth->concerns(array);
  const int rank = static_cast<int>(array.shape.size());
  const std::vector<hsize_t> extents(array.shape.begin(), array.shape.end());
  std::vector<hsize_t> limits = extents;
  // netCDF-4 knows no fixed dimension of length 0: there it is an unlimited one without entries yet
  std::ranges::replace(limits, hsize_t{0}, H5S_UNLIMITED);
  if (grows) limits[0] = growth->at_most;
  const Handle space(
      rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, extents.data(), limits.data()),
      where);

  // filters would see only references where strings have a variable length
  const bool compress =
      !std::is_same_v<Element, std::string> && rank > 0 && (grows || values.size() >= compress_from);
  if (compress || limits != extents) {
    const auto chunk = grows ? growing_chunk_shape(array.shape) : chunk_shape(array.shape);
    check(H5Pset_chunk(properties, rank, chunk.data()), where);
  }
  if (compress) {
    check(H5Pset_shuffle(properties), where);
    check(H5Pset_deflate(properties, 4), where);
    check(H5Pset_fletcher32(properties), where);
  }
  // CF allows no missing values in coordinates
  const bool may_miss = std::is_same_v<Element, double> && !is_coordinate(array);
  constexpr double missing = std::numeric_limits<double>::quiet_NaN();
  if (may_miss) check(H5Pset_fill_value(properties, H5T_NATIVE_DOUBLE, &missing), where);

  const Handle type = type_of<Element>(true, where);
  Handle dataset(
      H5Dcreate2(group, array.name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT),
      where);
  if (!values.empty()) {
    const Handle memory = type_of<Element>(false, where);
    with_buffer(values, where, [&](const void* buffer) {
      check(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer), where);
    });
  }
  if (may_miss) put_attribute(dataset, "_FillValue", std::vector{missing}, false, where);
  return dataset;
}

Handle build_array(hid_t group, const NamedArray& array, const Growth* growth,
                   const std::string& where) {
  check_shape(array, where);
  Handle dataset = std::visit(
      [&](const auto& values) { return build_dataset(group, array, values, growth, where); },
      array.data);
  if (is_coordinate(array)) check(H5DSset_scale(dataset, array.name.c_str()), where);
  if (!array.unit.empty()) put_attribute(dataset, "units", array.unit, where);
  if (!array.long_name.empty()) put_attribute(dataset, "long_name", array.long_name, where);
  put_attributes(dataset, array.attributes, {"units", "long_name"}, where);
  return dataset;
}

void attach_scales(hid_t dataset, const NamedArray& array, const Scope& scope,
                   const std::string& where) {
  for (std::size_t i = 0; i < array.dims.size(); ++i) {
    const Scope::Scale* scale = scope.find(array.dims[i]);
    if (scale == nullptr)
      throw std::logic_error(
          fmt::format("{}: no coordinate for dimension \"{}\"", where, array.dims[i]));
    if (scale->length != array.shape[i]) {
      throw std::logic_error(fmt::format("{}: dimension \"{}\" has {} entries, its coordinate {}",
                                         where, array.dims[i], array.shape[i], scale->length));
    }
    check(H5DSattach_scale(dataset, scale->id, static_cast<unsigned>(i)), where);
  }
}

void build_group(hid_t id, const Group& group, const Scope* outer, const Growth* growth,
                 const std::string& path) {
  std::set<std::string> names;
  const auto join = [&](const std::string& name) {
    const std::string where = path + "/" + name;
    if (name.empty() || name == "." ||
        name.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      throw std::logic_error(where + ": not a possible name");
    }
    if (!names.insert(name).second) throw std::logic_error(where + ": the name occurs twice");
    return where;
  };
  Scope scope{outer};
  std::vector<Handle> datasets;  // open until the groups inside have attached their coordinates
  for (const auto& array : group.arrays) {
    datasets.push_back(build_array(id, array, growth, join(array.name)));
    if (is_coordinate(array)) scope.scales[array.name] = {datasets.back(), array.shape[0]};
  }
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    const NamedArray& array = group.arrays[i];
    if (!is_coordinate(array)) attach_scales(datasets[i], array, scope, path + "/" + array.name);
  }
  for (const auto& [name, inner] : group.groups) {
    const std::string where = join(name);
    const Handle properties = object_properties(H5P_GROUP_CREATE, where);
    const Handle child(H5Gcreate2(id, name.c_str(), H5P_DEFAULT, properties, H5P_DEFAULT), where);
    put_attributes(child, inner.attributes, {}, where);
    build_group(child, inner, &scope, growth, where);
  }
}

/// For a file that lives in memory alone.
Handle in_memory(const std::string& where) {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), where);
  check(H5Pset_fapl_core(access, std::size_t{1} << 20, false), where);
  return access;
}

/// A file with the tree in it, where `access` says; nothing is cut short.
Handle build_file(const std::string& name, hid_t access, const Group& root, const Growth* growth) {
  const std::string where = "/";
  // The earliest superblock: H5Fget_file_image spoils the checksum of newer ones (HDF5 issue 1915).
  // Object headers are the newer ones, with checksums, all the same: creation order needs them.
  check(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18), where);
  const Handle properties = object_properties(H5P_FILE_CREATE, where);
  Handle file(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, properties, access), where);
  const Handle top(H5Gopen2(file, "/", H5P_DEFAULT), where);
  put_attribute(top, version_attribute, std::int64_t{format_version}, where);
  put_attributes(top, root.attributes, {version_attribute}, where);
  build_group(top, root, nullptr, growth, "");
  return file;
}

std::vector<char> build_image(const Group& root) {
  const Hdf5Session session;
  const std::string where = "/";
  const Handle access = in_memory(where);
  const Handle file = build_file(name_in_memory, access, root, nullptr);
  check(H5Fflush(file, H5F_SCOPE_GLOBAL), where);
  const ssize_t size = check(H5Fget_file_image(file, nullptr, 0), where);
  std::vector<char> image(static_cast<std::size_t>(size));
  check(H5Fget_file_image(file, image.data(), image.size()), where);
  return image;
}

// --- Reading an image ----------------------------------------------------------------------------

/// Calls read(type, buffer), the reading function of a dataset or an attribute, for n elements.
template <class Element, class Read>
std::vector<Element> elements(std::size_t n, hid_t type, hid_t space, const std::string& where,
                              const Read& read) {
  std::vector<Element> values(n);
  if (n == 0) return values;
  if constexpr (!std::is_same_v<Element, std::string>) {
    const Handle memory = type_of<Element>(false, where);
    check(read(memory, values.data()), where);
  } else if (check(H5Tis_variable_str(type), where) > 0) {
    std::vector<char*> pointers(n, nullptr);
    check(read(type, pointers.data()), where);
    std::ranges::transform(pointers, values.begin(),
                           [](const char* p) { return std::string(p == nullptr ? "" : p); });
    check(H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data()), where);
  } else {  // fixed length: text that another program added
    const std::size_t width = H5Tget_size(type);
    std::string buffer(n * width, '\0');
    check(read(type, buffer.data()), where);
    for (std::size_t i = 0; i < n; ++i) {
      const char* start = buffer.data() + i * width;
      values[i].assign(start, ::strnlen(start, width));
    }
  }
  return values;
}

AttributeValue read_attribute(hid_t attribute, const std::string& where) {
  const Handle type(H5Aget_type(attribute), where);
  const Handle space(H5Aget_space(attribute), where);
  const auto n = static_cast<std::size_t>(check(H5Sget_simple_extent_npoints(space), where));
  const bool scalar = H5Sget_simple_extent_type(space) == H5S_SCALAR;
  const auto read = [&](hid_t memory, void* buffer) { return H5Aread(attribute, memory, buffer); };
  const auto unpack = [&]<class Element>(std::vector<Element> values) -> AttributeValue {
    if (scalar) return std::move(values.at(0));
    return values;
  };
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return unpack(elements<std::string>(n, type, space, where, read));
    case H5T_FLOAT:
      return unpack(elements<double>(n, type, space, where, read));
    case H5T_INTEGER:
      // netCDF tools store single numbers as lists; ours have more than one, or none
      if (n == 1) return elements<std::int64_t>(n, type, space, where, read).at(0);
      return elements<std::int64_t>(n, type, space, where, read);
    default:
      throw ForeignContent(where + ": neither text nor number");
  }
}

Attributes read_attributes(hid_t object, const std::string& owner) {
  H5O_info_t info{};
  check(H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS), owner);
  Attributes attributes;
  for (hsize_t i = 0; i < info.num_attrs; ++i) {
    const Handle attribute(
        H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT),
        owner);
    std::string name(static_cast<std::size_t>(check(H5Aget_name(attribute, 0, nullptr), owner)),
                     '\0');
    check(H5Aget_name(attribute, name.size() + 1, name.data()), owner);
    if (!is_reserved(name))
      attributes[name] = read_attribute(attribute, fmt::format("{}: attribute {}", owner, name));
  }
  return attributes;
}

/// The name of the scale on a dimension; "" when there is none.
std::string scale_name(hid_t dataset, unsigned dimension, const std::string& where) {
  // the callback runs inside C code, where nothing may throw: it only keeps the first scale open
  const auto keep = [](hid_t, unsigned, hid_t scale, void* out) -> herr_t {
    *static_cast<hid_t*>(out) = scale;
    return H5Iinc_ref(scale);
  };
  hid_t found = H5I_INVALID_HID;
  check(H5DSiterate_scales(dataset, dimension, nullptr, keep, &found), where);
  if (found < 0) return "";
  const Handle scale(found, where);
  const ssize_t length = check(H5DSget_scale_name(scale, nullptr, 0), where);
  std::string name(static_cast<std::size_t>(length), '\0');
  check(H5DSget_scale_name(scale, name.data(), name.size() + 1), where);
  return name;
}

/// Moves a text attribute, or a list of one as netCDF tools write it, into the field that holds it.
std::string take_text(Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return "";
  std::string text;
  if (auto* single = std::get_if<std::string>(&found->second)) {
    text = std::move(*single);
  } else if (auto* list = std::get_if<std::vector<std::string>>(&found->second);
             list != nullptr && list->size() == 1) {
    text = std::move(list->front());
  } else {
    return "";
  }
  attributes.erase(found);
  return text;
}

NamedArray read_array(hid_t dataset, const std::string& name, std::size_t most_elements,
                      const std::string& where) {
  NamedArray array;
  array.name = name;
  array.attributes = read_attributes(dataset, where);
  array.unit = take_text(array.attributes, "units");
  array.long_name = take_text(array.attributes, "long_name");

  const Handle space(H5Dget_space(dataset), where);
  std::vector<hsize_t> extents(
      static_cast<std::size_t>(check(H5Sget_simple_extent_ndims(space), where)));
  check(H5Sget_simple_extent_dims(space, extents.data(), nullptr), where);
  array.shape.assign(extents.begin(), extents.end());
  const bool is_scale = check(H5DSis_scale(dataset), where) > 0;
  for (unsigned i = 0; i < extents.size(); ++i) {
    array.dims.push_back(is_scale && extents.size() == 1 ? name : scale_name(dataset, i, where));
    if (array.dims.back().empty())
      throw ForeignContent(fmt::format("{}: dimension {} has no name", where, i));
  }

  auto n = static_cast<std::size_t>(check(H5Sget_simple_extent_npoints(space), where));
  if (n > most_elements) n = 0;
  const Handle type(H5Dget_type(dataset), where);
  const auto read = [&](hid_t memory, void* buffer) {
    return H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
  };
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      array.data = elements<std::string>(n, type, space, where, read);
      break;
    case H5T_FLOAT:
      array.data = elements<double>(n, type, space, where, read);
      break;
    case H5T_INTEGER:
      array.data = elements<std::int64_t>(n, type, space, where, read);
      break;
    default:
      throw ForeignContent(where + ": neither text nor number");
  }
  return array;
}

Group read_group(hid_t id, std::size_t most_elements, const std::string& path, int depth) {
  const std::string here = path.empty() ? "/" : path;
  if (depth > max_depth) throw ForeignContent(here + ": groups are nested too deep");
  Group group{.arrays = {}, .attributes = read_attributes(id, here), .groups = {}};
  H5G_info_t info{};
  check(H5Gget_info(id, &info), here);
  // a file that another program copied may have lost the order
  const Handle properties(H5Gget_create_plist(id), here);
  unsigned order = 0;
  check(H5Pget_link_creation_order(properties, &order), here);
  const H5_index_t index =
      (order & H5P_CRT_ORDER_TRACKED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto get_name = [&](char* out, std::size_t size) {
      return check(H5Lget_name_by_idx(id, ".", index, H5_ITER_INC, i, out, size, H5P_DEFAULT),
                   here);
    };
    std::string name(static_cast<std::size_t>(get_name(nullptr, 0)), '\0');
    get_name(name.data(), name.size() + 1);
    const std::string where = path + "/" + name;
    const Handle object(H5Oopen(id, name.c_str(), H5P_DEFAULT), where);
    switch (H5Iget_type(object)) {
      case H5I_GROUP:
        group.groups.emplace_back(name, read_group(object, most_elements, where, depth + 1));
        break;
      case H5I_DATASET:
        group.arrays.push_back(read_array(object, name, most_elements, where));
        break;
      default:
        throw ForeignContent(where + ": neither an array nor a group");
    }
  }
  return group;
}

Handle open_image(std::vector<char> image) {
  const Handle access = in_memory("/");
  check(H5Pset_file_image(access, image.data(), image.size()), "/");  // copies it
  image = {};
  return Handle(H5Fopen(name_in_memory, H5F_ACC_RDONLY, access), "/");
}

void check_version(hid_t root, const std::string& where) {
  if (check(H5Aexists(root, version_attribute), "/") == 0) {
    throw InputError(where,
                     fmt::format("not an nkpk archive (no attribute {})", version_attribute));
  }
  const Handle attribute(H5Aopen(root, version_attribute, H5P_DEFAULT), "/");
  const AttributeValue value = read_attribute(attribute, "/");
  const auto* version = std::get_if<std::int64_t>(&value);
  if (version == nullptr)
    throw InputError(where,
                     fmt::format("not an nkpk archive ({} is not an integer)", version_attribute));
  if (*version != format_version) {
    throw InputError(
        where, fmt::format("format version {}, this program reads {}", *version, format_version));
  }
}

}  // namespace

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  check(H5get_libversion(&major, &minor, &release), "HDF5");
  return fmt::format("{}.{}.{}", major, minor, release);
}

// --- Archives that grow --------------------------------------------------------------------------

struct GrowingArchive::File {
  File(const std::filesystem::path& path, bool overwrite) : part(path, overwrite) {}
  PartFile part;
  std::optional<Handle> hdf5;
  Growth growth;
  std::size_t length = 0;
  std::map<std::string, std::size_t> coordinates;  ///< of the root, for what is added at the end
  std::size_t size() const {
    hsize_t bytes = 0;
    check(H5Fget_filesize(*hdf5, &bytes), "/");
    return static_cast<std::size_t>(bytes);
  }
  void claim(std::size_t more) { part.claim(size(), size() + more); }
};

namespace {

/// What goes wrong on disk is the disk's fault or the user's.
template <class Action>
void on_disk(const std::filesystem::path& path, const Action& action) {
  const Hdf5Session session;
  try {
    action();
  } catch (const Hdf5Error& error) {
    throw InputError(path.string(), fmt::format("cannot be written ({})", error.what()));
  }
}

/// More bytes than the group can take in a file. They are claimed beforehand, because a disk that
/// fills up under HDF5 leaves a file that cannot be closed, and a program that crashes at its end.
std::size_t room_for(const Group& group, const Growth& growth) {
  std::size_t bytes = 65'536;
  for (const NamedArray& array : group.arrays) {
    bytes += 8'192;
    std::visit(
        [&]<class Values>(const Values& values) {
          if constexpr (std::is_same_v<Values, std::vector<std::string>>) {
            for (const std::string& text : values) bytes += text.size() + 64;
          } else {
            bytes += 9 * values.size();
          }
        },
        array.data);
    if (!growth.concerns(array)) continue;
    std::size_t chunk = 9;
    for (const hsize_t extent : growing_chunk_shape(array.shape)) chunk *= extent;
    bytes += 2 * chunk;  // those that are not full
  }
  for (const auto& [name, value] : group.attributes)
    if (const auto* text = std::get_if<std::string>(&value)) bytes += text->size();
  for (const auto& [name, inner] : group.groups) bytes += room_for(inner, growth);
  return bytes;
}

constexpr std::size_t room_for_hdf5 = 4u << 20;  // what it keeps of its own

template <class Element>
void append_rows(hid_t dataset, const NamedArray& array, const std::vector<Element>& values,
                 std::size_t before, const std::string& where) {
  std::vector<hsize_t> extents(array.shape.begin(), array.shape.end()), start(array.shape.size());
  const int rank = static_cast<int>(extents.size());
  const Handle memory_space(H5Screate_simple(rank, extents.data(), nullptr), where);
  const std::vector<hsize_t> rows = extents;
  start[0] = before;
  extents[0] += before;
  check(H5Dset_extent(dataset, extents.data()), where);
  if (values.empty()) return;
  const Handle space(H5Dget_space(dataset), where);
  check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, rows.data(), nullptr),
        where);
  const Handle memory = type_of<Element>(false, where);
  with_buffer(values, where, [&](const void* buffer) {
    check(H5Dwrite(dataset, memory, memory_space, space, H5P_DEFAULT, buffer), where);
  });
}

void append_group(hid_t id, const Group& rows, const Growth& growth, std::size_t before,
                  std::size_t n, const std::string& path) {
  for (const NamedArray& array : rows.arrays) {
    const std::string where = path + "/" + array.name;
    check_shape(array, where);
    if (!growth.concerns(array) || array.shape[0] != n)
      throw std::logic_error(fmt::format("{}: not {} rows along {}", where, n, growth.dimension));
    const Handle dataset(H5Dopen2(id, array.name.c_str(), H5P_DEFAULT), where);
    std::visit([&](const auto& values) { append_rows(dataset, array, values, before, where); },
               array.data);
  }
  for (const auto& [name, inner] : rows.groups) {
    const std::string where = path + "/" + name;
    const Handle child(H5Gopen2(id, name.c_str(), H5P_DEFAULT), where);
    append_group(child, inner, growth, before, n, where);
  }
}

}  // namespace

GrowingArchive::GrowingArchive(const std::filesystem::path& path, const Group& root,
                               const std::string& dimension, std::size_t at_most, bool overwrite)
    : path_(path), file_(std::make_unique<File>(path, overwrite)) {
  file_->growth = {dimension, at_most};
  for (const NamedArray& array : root.arrays)
    if (is_coordinate(array)) file_->coordinates[array.name] = array.shape.at(0);
  on_disk(path_, [&] {
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), "/");
    // the part file is locked already, and HDF5's own lock would find it so
    check(H5Pset_file_locking(access, false, true), "/");
    file_->part.claim(0, room_for_hdf5 + room_for(root, file_->growth));
    file_->hdf5.emplace(build_file(file_->part.path().string(), access, root, &file_->growth));
    check(H5Fflush(*file_->hdf5, H5F_SCOPE_GLOBAL), "/");
  });
}

GrowingArchive::~GrowingArchive() {
  if (!file_ || !file_->hdf5) return;
  const Hdf5Session session;
  file_->hdf5.reset();
}

void GrowingArchive::append(const Group& rows) {
  const auto n = rows.arrays.empty() ? std::size_t{0} : rows.arrays[0].shape.at(0);
  on_disk(path_, [&] {
    file_->claim(room_for_hdf5 + room_for(rows, file_->growth));
    append_group(*file_->hdf5, rows, file_->growth, file_->length, n, "");
    check(H5Fflush(*file_->hdf5, H5F_SCOPE_GLOBAL), "/");
  });
  file_->length += n;
}

void GrowingArchive::finish(const Group& rest) {
  on_disk(path_, [&] {
    file_->claim(room_for_hdf5 + room_for(rest, file_->growth));
    const Handle top(H5Gopen2(*file_->hdf5, "/", H5P_DEFAULT), "/");
    put_attributes(top, rest.attributes, {version_attribute}, "/");
    std::vector<Handle> open;
    Scope scope;
    for (const auto& [name, length] : file_->coordinates) {
      open.emplace_back(H5Dopen2(top, name.c_str(), H5P_DEFAULT), "/" + name);
      scope.scales[name] = {open.back(), name == file_->growth.dimension ? file_->length : length};
    }
    build_group(top, rest, &scope, nullptr, "");
    check(H5Fflush(*file_->hdf5, H5F_SCOPE_GLOBAL), "/");
    open.clear();
  });
  const Hdf5Session session;
  const std::size_t size = file_->size();
  file_->hdf5.reset();
  file_->part.cut(size);
  file_->part.finish();
}

void write(const std::filesystem::path& path, const Group& root, bool overwrite) {
  write_bytes(path, build_image(root), overwrite);
}

namespace {

constexpr std::string_view signature = "\x89HDF\r\n\x1a\n", no_hdf5 = "not an nkpk archive (not an HDF5 file)";

/// The tree of the file that open() gives.
template <class Open>
Group read_from(const Open& open, std::size_t most_elements, const std::string& where) {
  const Hdf5Session session;
  try {
    const Handle file = open();
    const Handle root(H5Gopen2(file, "/", H5P_DEFAULT), "/");
    check_version(root, where);
    Group group = read_group(root, most_elements, "", 0);
    group.attributes.erase(version_attribute);
    return group;
  } catch (const Hdf5Error& error) {
    throw InputError(where, fmt::format("incomplete or damaged archive ({})", error.what()));
  } catch (const ForeignContent& error) {
    throw InputError(
        where, fmt::format("not part of archive format {} ({})", format_version, error.what()));
  }
}

}  // namespace

Group read(const std::filesystem::path& path) {
  std::vector<char> image = read_bytes(path, signature, no_hdf5);
  return read_from([&] { return open_image(std::move(image)); },
                   std::numeric_limits<std::size_t>::max(), path.string());
}

Group read_outline(const std::filesystem::path& path, std::size_t most_elements) {
  read_bytes(path, signature, no_hdf5, signature.size());
  const auto open = [&] {
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), "/");
    check(H5Pset_file_locking(access, false, true), "/");  // readers need no lock
    return Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), "/");
  };
  return read_from(open, most_elements, path.string());
}

}  // namespace nkpk::archive
