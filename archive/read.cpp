// HDF5 -> Group; the rules are in docs/archive_format.md.
//
// HDF5 gets to see a file only when its bytes are those that the digest at its end is of: the library trusts what it reads, and
// damaged bytes crash it. What it reads may claim more than a file can hold all the same, if the file was made so.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/hdf5_handles.hpp"
#include "nkpk/archive/in_file.hpp"
#include "nkpk/archive/reader.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

constexpr int max_depth = 64;  // hard links can form loops in a foreign file

constexpr std::size_t most_inflation = 1032;  // bytes that deflate can make of one
constexpr std::size_t reference_bytes = 16;   // what a text takes in an array, beside its letters

/// What the arrays of a file may hold in all. Claims beyond it are refused before memory is asked for.
struct Budget {
  explicit Budget(std::size_t file_bytes) : plain(file_bytes), inflated(file_bytes * most_inflation), letters(file_bytes) {}
  std::size_t plain, inflated, letters;

  void take(std::size_t& left, std::size_t n, std::size_t width, const std::string& where) {
    if (n != 0 && width > left / n) throw Hdf5Error(fmt::format("{}: claims {} elements, more than the file can hold", where, n));
    left -= n * width;
  }
};

std::size_t product(const std::vector<hsize_t>& extents, const std::string& where) {
  hsize_t n = 1;
  for (const hsize_t extent : extents) {
    if (extent != 0 && n > std::numeric_limits<std::int64_t>::max() / extent) throw Hdf5Error(where + ": claims more elements than can be counted");
    n *= extent;
  }
  return static_cast<std::size_t>(n);
}

std::vector<hsize_t> extents_of(hid_t space, const std::string& where) {
  std::vector<hsize_t> extents(static_cast<std::size_t>(check(H5Sget_simple_extent_ndims(space), where)));
  check(H5Sget_simple_extent_dims(space, extents.data(), nullptr), where);
  return extents;
}

/// Letters of texts that HDF5 asks memory for; each stands in the file once.
void* allocate_letters(std::size_t n, void* left) {
  auto& letters = *static_cast<std::size_t*>(left);
  if (n > letters) return nullptr;
  letters -= n;
  return std::malloc(n);
}
void free_letters(void* text, void*) { std::free(text); }

/// Calls read(type, buffer, properties), the reading function of a dataset or an attribute, for n elements.
template <class Element, class Read>
std::vector<Element> elements(std::size_t n, hid_t type, Budget& budget, const std::string& where, const Read& read) {
  std::vector<Element> values(n);
  if (n == 0) return values;
  if constexpr (!std::is_same_v<Element, std::string>) {
    const Handle memory = type_of<Element>(false, where);
    check(read(memory, values.data(), H5P_DEFAULT), where);
  } else if (check(H5Tis_variable_str(type), where) > 0) {
    const Handle properties(H5Pcreate(H5P_DATASET_XFER), where);
    check(H5Pset_vlen_mem_manager(properties, allocate_letters, &budget.letters, free_letters, nullptr), where);
    std::vector<char*> pointers(n, nullptr);
    const herr_t result = read(type, pointers.data(), properties);
    const std::string reason = result < 0 ? hdf5_reason() : "";
    std::ranges::transform(pointers, values.begin(), [](const char* p) { return std::string(p == nullptr ? "" : p); });
    for (char* const pointer : pointers) std::free(pointer);
    if (result < 0) throw Hdf5Error(fmt::format("{}: {}", where, reason));
  } else {  // fixed length: text that another program added
    const std::size_t width = H5Tget_size(type);
    std::string buffer(n * width, '\0');
    check(read(type, buffer.data(), H5P_DEFAULT), where);
    for (std::size_t i = 0; i < n; ++i) {
      const char* start = buffer.data() + i * width;
      values[i].assign(start, ::strnlen(start, width));
    }
  }
  return values;
}

AttributeValue read_attribute(hid_t attribute, Budget& budget, const std::string& where) {
  const Handle type(H5Aget_type(attribute), where);
  const Handle space(H5Aget_space(attribute), where);
  const bool scalar = H5Sget_simple_extent_type(space) == H5S_SCALAR;
  const std::size_t n = H5Sget_simple_extent_type(space) == H5S_NULL ? 0 : product(extents_of(space, where), where);
  budget.take(budget.plain, n, H5Tget_size(type), where);
  const auto read = [&](hid_t memory, void* buffer, hid_t) { return H5Aread(attribute, memory, buffer); };
  const auto unpack = [&]<class Element>(std::vector<Element> values) -> AttributeValue {
    if (scalar) return std::move(values.at(0));
    return values;
  };
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return unpack(elements<std::string>(n, type, budget, where, read));
    case H5T_FLOAT:
      return unpack(elements<double>(n, type, budget, where, read));
    case H5T_INTEGER:
      // netCDF tools store single numbers as lists; ours have more than one, or none
      if (n == 1) return elements<std::int64_t>(n, type, budget, where, read).at(0);
      return elements<std::int64_t>(n, type, budget, where, read);
    default:
      throw ForeignContent(where + ": neither text nor number");
  }
}

Attributes read_attributes(hid_t object, Budget& budget, const std::string& owner) {
  H5O_info_t info{};
  check(H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS), owner);
  Attributes attributes;
  for (hsize_t i = 0; i < info.num_attrs; ++i) {
    const Handle attribute(H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT), owner);
    std::string name(static_cast<std::size_t>(check(H5Aget_name(attribute, 0, nullptr), owner)), '\0');
    check(H5Aget_name(attribute, name.size() + 1, name.data()), owner);
    if (!is_reserved(name)) attributes[name] = read_attribute(attribute, budget, fmt::format("{}: attribute {}", owner, name));
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
  } else if (auto* list = std::get_if<std::vector<std::string>>(&found->second); list != nullptr && list->size() == 1) {
    text = std::move(list->front());
  } else {
    return "";
  }
  attributes.erase(found);
  return text;
}

/// Throws when the array claims more than the file can hold.
void expect_room(hid_t dataset, hid_t type, std::size_t n, Budget& budget, const std::string& where) {
  const Handle properties(H5Dget_create_plist(dataset), where);
  const bool is_packed = check(H5Pget_nfilters(properties), where) > 0;
  std::size_t& left = is_packed ? budget.inflated : budget.plain;
  const bool is_text = H5Tget_class(type) == H5T_STRING && check(H5Tis_variable_str(type), where) > 0;
  if (H5Pget_layout(properties) == H5D_CHUNKED) {  // HDF5 holds one of its pieces at a time, whole
    std::vector<hsize_t> chunk(H5S_MAX_RANK);
    chunk.resize(static_cast<std::size_t>(check(H5Pget_chunk(properties, H5S_MAX_RANK, chunk.data()), where)));
    constexpr std::size_t always = std::size_t{1} << 24;
    if (product(chunk, where) > (left + always) / std::max<std::size_t>(1, H5Tget_size(type)))
      throw Hdf5Error(where + ": claims pieces larger than the file can hold");
  }
  budget.take(left, n, is_text ? reference_bytes : H5Tget_size(type), where);
}

/// The elements that are selected in `space`, n of them; `memory_space` is H5S_ALL or as large.
ArrayData read_data(hid_t dataset, std::size_t n, hid_t memory_space, hid_t space, Budget& budget, const std::string& where) {
  const Handle type(H5Dget_type(dataset), where);
  const auto read = [&](hid_t memory, void* buffer, hid_t properties) {
    return H5Dread(dataset, memory, memory_space, memory_space == H5S_ALL ? H5S_ALL : space, properties, buffer);
  };
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return elements<std::string>(n, type, budget, where, read);
    case H5T_FLOAT:
      return elements<double>(n, type, budget, where, read);
    case H5T_INTEGER:
      return elements<std::int64_t>(n, type, budget, where, read);
    default:
      throw ForeignContent(where + ": neither text nor number");
  }
}

NamedArray read_array(hid_t dataset, const std::string& name, std::size_t most_elements, Budget& budget, const std::string& where) {
  NamedArray array;
  array.name = name;
  array.attributes = read_attributes(dataset, budget, where);
  array.unit = take_text(array.attributes, "units");
  array.long_name = take_text(array.attributes, "long_name");

  const Handle space(H5Dget_space(dataset), where);
  if (H5Sget_simple_extent_type(space) == H5S_NULL) throw ForeignContent(where + ": holds nothing");
  const std::vector<hsize_t> extents = extents_of(space, where);
  array.shape.assign(extents.begin(), extents.end());
  const bool is_scale = check(H5DSis_scale(dataset), where) > 0;
  for (unsigned i = 0; i < extents.size(); ++i) {
    array.dims.push_back(is_scale && extents.size() == 1 ? name : scale_name(dataset, i, where));
    if (array.dims.back().empty()) throw ForeignContent(fmt::format("{}: dimension {} has no name", where, i));
  }
  const std::size_t n = product(extents, where);
  const Handle type(H5Dget_type(dataset), where);
  expect_room(dataset, type, n, budget, where);
  array.data = read_data(dataset, n > most_elements ? 0 : n, H5S_ALL, space, budget, where);
  return array;
}

Group read_group(hid_t id, std::size_t most_elements, Budget& budget, const std::string& path, int depth) {
  const std::string here = path.empty() ? "/" : path;
  if (depth > max_depth) throw ForeignContent(here + ": groups are nested too deep");
  Group group{.arrays = {}, .attributes = read_attributes(id, budget, here), .groups = {}};
  H5G_info_t info{};
  check(H5Gget_info(id, &info), here);
  // a file that another program copied may have lost the order
  const Handle properties(H5Gget_create_plist(id), here);
  unsigned order = 0;
  check(H5Pget_link_creation_order(properties, &order), here);
  const H5_index_t index = (order & H5P_CRT_ORDER_TRACKED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto get_name = [&](char* out, std::size_t size) { return check(H5Lget_name_by_idx(id, ".", index, H5_ITER_INC, i, out, size, H5P_DEFAULT), here); };
    std::string name(static_cast<std::size_t>(get_name(nullptr, 0)), '\0');
    get_name(name.data(), name.size() + 1);
    const std::string where = path + "/" + name;
    const Handle object(H5Oopen(id, name.c_str(), H5P_DEFAULT), where);
    switch (H5Iget_type(object)) {
      case H5I_GROUP:
        group.groups.emplace_back(name, read_group(object, most_elements, budget, where, depth + 1));
        break;
      case H5I_DATASET:
        group.arrays.push_back(read_array(object, name, most_elements, budget, where));
        break;
      default:
        throw ForeignContent(where + ": neither an array nor a group");
    }
  }
  return group;
}

void check_version(hid_t root, Budget& budget, const std::string& where) {
  if (check(H5Aexists(root, version_attribute), "/") == 0) {
    throw InputError(where, fmt::format("not an nkpk archive (no attribute {})", version_attribute));
  }
  const Handle attribute(H5Aopen(root, version_attribute, H5P_DEFAULT), "/");
  const AttributeValue value = read_attribute(attribute, budget, "/");
  const auto* version = std::get_if<std::int64_t>(&value);
  if (version == nullptr) throw InputError(where, fmt::format("not an nkpk archive ({} is not an integer)", version_attribute));
  if (*version != format_version) {
    throw InputError(where, fmt::format("format version {}, this program reads {}", *version, format_version));
  }
}

Handle open_hdf5(const InFile& file) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), "/");
  check(H5Pset_file_locking(access, false, true), "/");  // readers need no lock
  return Handle(H5Fopen(file.own_name().c_str(), H5F_ACC_RDONLY, access), "/");
}

/// What goes wrong with a sound disk is the file's fault.
template <class Action>
auto on_file(const std::string& where, const Action& action) {
  const Hdf5Session session;
  try {
    return action();
  } catch (const Hdf5Error& error) {
    throw InputError(where, fmt::format("incomplete or damaged archive ({})", error.what()));
  } catch (const ForeignContent& error) {
    throw InputError(where, fmt::format("not part of archive format {} ({})", format_version, error.what()));
  }
}

}  // namespace

struct Reader::File {
  File(const std::filesystem::path& path, Digest digest) : where(path.string()), bytes(path) {
    if (digest == Digest::expected)
      seal = check_seal(bytes, where);
    else
      bytes.expect_signature();
  }
  ~File() {
    const Hdf5Session session;
    hdf5.reset();
  }
  std::string where;
  InFile bytes;
  std::optional<Seal> seal;
  std::optional<Handle> hdf5;
};

/// What only takes archives says so where it is given a journal.
const std::filesystem::path& no_journal(const std::filesystem::path& path) {
  if (is_journal(path))
    throw InputError(path.string(), "is the journal of an ensemble that is not finished", "nkpk info reads it; the command that began it finishes it, with --resume");
  return path;
}

Reader::Reader(const std::filesystem::path& path, Digest digest) : file_(std::make_unique<File>(no_journal(path), digest)) {
  on_file(file_->where, [&] {
    file_->hdf5.emplace(open_hdf5(file_->bytes));
    const Handle root(H5Gopen2(*file_->hdf5, "/", H5P_DEFAULT), "/");
    Budget budget(file_->bytes.size());
    check_version(root, budget, file_->where);
  });
}

Reader::~Reader() = default;

const std::optional<Seal>& Reader::seal() const { return file_->seal; }

Group Reader::tree(std::size_t most_elements) const {
  Group root = on_file(file_->where, [&] {
    const Handle id(H5Gopen2(*file_->hdf5, "/", H5P_DEFAULT), "/");
    Budget budget(file_->bytes.size());
    return read_group(id, most_elements, budget, "", 0);
  });
  file_->bytes.expect_unchanged();
  root.attributes.erase(version_attribute);
  return root;
}

ArrayData Reader::rows(const std::string& array, std::size_t first, std::size_t n) const {
  ArrayData data = on_file(file_->where, [&] {
    const Handle dataset(H5Dopen2(*file_->hdf5, array.c_str(), H5P_DEFAULT), array);
    const Handle space(H5Dget_space(dataset), array);
    std::vector<hsize_t> extents = extents_of(space, array);
    std::vector<hsize_t> start(extents.size());
    start.at(0) = first;
    extents[0] = n;
    check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, extents.data(), nullptr), array);
    const Handle memory(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), array);
    Budget budget(file_->bytes.size());
    return read_data(dataset, product(extents, array), memory, space, budget, array);
  });
  file_->bytes.expect_unchanged();
  return data;
}

bool Reader::has_fill_value(const std::string& array) const {
  return on_file(file_->where, [&] { return check(H5Aexists_by_name(*file_->hdf5, array.c_str(), "_FillValue", H5P_DEFAULT), array) > 0; });
}

Group read(const std::filesystem::path& path) { return is_journal(path) ? read_journal(path, false) : Reader(path).tree(); }

Group read_outline(const std::filesystem::path& path, std::size_t most_elements) {
  return is_journal(path) ? read_journal(path, true) : Reader(path).tree(most_elements);
}

}  // namespace nkpk::archive
