// HDF5 -> Group; the rules are in docs/archive_format.md.
//
// HDF5 does not touch the disk, but for archives that grow and outlines: a file is built and read as an image in
// memory, file_bytes.hpp does the rest. A disk that fills up under HDF5 1.10 leaves a file that can be neither flushed nor
// closed; plain write() reports it and lets us clean up. HDF5's own file locks cannot get in the
// way either, nor can another user of the library in this process (h5py) that has the file open.
#include <algorithm>
#include <cstring>
#include <limits>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/file_bytes.hpp"
#include "nkpk/archive/hdf5_handles.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

constexpr int max_depth = 64;  // hard links can form loops in a foreign file

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
  if (is_journal(path)) return read_journal(path, false);
  std::vector<char> image = read_bytes(path, signature, no_hdf5);
  return read_from([&] { return open_image(std::move(image)); },
                   std::numeric_limits<std::size_t>::max(), path.string());
}

Group read_outline(const std::filesystem::path& path, std::size_t most_elements) {
  if (is_journal(path)) return read_journal(path, true);
  read_bytes(path, signature, no_hdf5, signature.size());
  const auto open = [&] {
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), "/");
    check(H5Pset_file_locking(access, false, true), "/");  // readers need no lock
    return Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), "/");
  };
  return read_from(open, most_elements, path.string());
}

}  // namespace nkpk::archive
