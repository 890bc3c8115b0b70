// Group -> HDF5; the rules are in docs/archive_format.md.
#include "nkpk/archive/build.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/file_bytes.hpp"
#include "nkpk/archive/growing.hpp"
#include "nkpk/archive/seal.hpp"

namespace nkpk::archive {
namespace {

constexpr std::size_t compress_from = 64;  // elements; below, a chunk costs more than it saves
constexpr std::size_t max_chunk_elements = 131'072;  // 1 MiB: what HDF5's default chunk cache holds

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

}  // namespace

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

void put_attributes(hid_t object, const Attributes& attributes,
                    const std::set<std::string_view>& ours, const std::string& owner) {
  for (const auto& [name, value] : attributes) {
    if (name.empty() || is_reserved(name) || ours.contains(name)) {
      throw std::logic_error(fmt::format("{}: attribute name \"{}\" is reserved", owner, name));
    }
    put_attribute(object, name, value, owner);
  }
}

namespace {

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
  if (grows) limits[0] = H5S_UNLIMITED;
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

}  // namespace

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

namespace {

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

}  // namespace

void write(const std::filesystem::path& path, const Group& root, bool overwrite) {
  std::vector<char> bytes = build_image(root);
  const std::vector<char> seal = seal_of({bytes.data(), bytes.size()});
  bytes.insert(bytes.end(), seal.begin(), seal.end());
  write_bytes(path, bytes, overwrite);
}

}  // namespace nkpk::archive
