#include "nkpk/archive/growing.hpp"

#include <optional>
#include <stdexcept>

#include "nkpk/archive/build.hpp"
#include "nkpk/archive/fault.hpp"
#include "nkpk/archive/file_bytes.hpp"
#include "nkpk/archive/seal.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {

struct GrowingArchive::File {
  File(const std::filesystem::path& path, bool overwrite, std::string_view suffix) : part(path, overwrite, suffix) {}
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
    fault::point("hdf5_append");
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

/// Whether the group is there already; it then gets its last attributes.
bool end_group(hid_t top, const Group& group, const std::string& name) {
  const std::string where = "/" + name;
  if (check(H5Lexists(top, name.c_str(), H5P_DEFAULT), where) == 0) return false;
  if (!group.arrays.empty() || !group.groups.empty()) throw std::logic_error(where + ": is there already, and can get attributes only");
  const Handle id(H5Gopen2(top, name.c_str(), H5P_DEFAULT), where);
  put_attributes(id, group.attributes, {}, where);
  return true;
}

}  // namespace

GrowingArchive::GrowingArchive(const std::filesystem::path& path, const Group& root,
                               const std::string& dimension, bool overwrite, std::string_view suffix)
    : path_(path), file_(std::make_unique<File>(path, overwrite, suffix)) {
  file_->growth = {dimension};
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
    fault::point("hdf5_flush");
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
    Group added = rest;
    std::erase_if(added.groups, [&](const auto& group) { return end_group(top, group.group, group.name); });
    build_group(top, added, &scope, nullptr, "");
    fault::point("hdf5_finish");
    check(H5Fflush(*file_->hdf5, H5F_SCOPE_GLOBAL), "/");
    open.clear();
  });
  const Hdf5Session session;
  const std::size_t size = file_->size();
  file_->hdf5.reset();
  file_->part.cut(size);
  seal_file(file_->part.path(), path_);
  file_->part.finish();
}

}  // namespace nkpk::archive
