#include "nkpk/archive/csv.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>

#include "nkpk/archive/walk.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

namespace fs = std::filesystem;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

constexpr const char* list_of_columns = "columns.csv";
constexpr std::string_view columns_head = "file,column,unit,meaning\n";

/// Quoted where a reader would take it apart (RFC 4180).
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}
std::string cell(double value) { return std::isnan(value) ? "" : fmt::format("{}", value); }
std::string cell(std::int64_t value) { return fmt::format("{}", value); }

std::string line(const std::vector<std::string>& cells) { return fmt::format("{}\n", fmt::join(cells, ",")); }

/// The words of an array of flags, by value.
std::map<std::int64_t, std::string> meanings_of(const NamedArray& array) {
  std::map<std::int64_t, std::string> meanings;
  const auto found = array.attributes.find("flag_values");
  const auto* values = found == array.attributes.end() ? nullptr : std::get_if<Integers>(&found->second);
  std::istringstream words(text_attribute(array.attributes, "flag_meanings"));
  std::string word;
  for (std::size_t i = 0; values && i < values->size() && words >> word; ++i) meanings[(*values)[i]] = word;
  return meanings;
}

/// Arrays of one group over the same dimensions.
struct Table {
  std::string group;  ///< its path
  std::vector<const NamedArray*> dimensions, arrays;
  std::vector<std::string> paths;  ///< of the dimensions
  std::vector<std::size_t> shape;
};

/// Reads an array row by row, in pieces.
class Column {
 public:
  Column(const Reader& reader, const NamedArray& array, const std::string& path)
      : reader_(reader), array_(array), path_(path), meanings_(meanings_of(array)), n_(n_elements(array)) {
    is_held_ = std::visit([](const auto& values) { return values.size(); }, array.data) == n_;
  }

  std::string at(std::size_t index) {
    if (is_held_) return text(array_.data, index);
    if (index >= end_) {
      const std::size_t inner = n_ / array_.shape[0], rows = std::max<std::size_t>(1, piece_elements / inner), first = index / inner;
      const std::size_t n = std::min(rows, array_.shape[0] - first);
      piece_ = reader_.rows(path_, first, n);
      begin_ = first * inner;
      end_ = begin_ + n * inner;
    }
    return text(piece_, index - begin_);
  }

 private:
  std::string text(const ArrayData& data, std::size_t index) const {
    if (const auto* values = std::get_if<Integers>(&data); values && !meanings_.empty()) {
      const auto meaning = meanings_.find((*values)[index]);
      if (meaning != meanings_.end()) return cell(meaning->second);
    }
    return std::visit([&](const auto& values) { return cell(values[index]); }, data);
  }

  const Reader& reader_;
  const NamedArray& array_;
  std::string path_;
  std::map<std::int64_t, std::string> meanings_;
  std::size_t n_, begin_ = 0, end_ = 0;
  bool is_held_;
  ArrayData piece_;
};

using Write = std::function<void(std::string_view)>;

void write_table(const Reader& reader, const Table& table, const Write& write) {
  std::vector<std::string> head;
  for (const NamedArray* array : table.dimensions) head.push_back(cell(array->name));
  std::vector<Column> columns;
  for (const NamedArray* array : table.arrays) {
    head.push_back(cell(array->name));
    columns.emplace_back(reader, *array, table.group + "/" + array->name);
  }
  std::vector<std::vector<std::string>> coordinates;  // as text, once
  for (std::size_t k = 0; k < table.dimensions.size(); ++k) {
    Column column(reader, *table.dimensions[k], table.paths[k]);
    coordinates.emplace_back();
    for (std::size_t i = 0; i < table.shape[k]; ++i) coordinates.back().push_back(column.at(i));
  }
  std::string text = line(head);
  std::size_t n = 1;
  for (const std::size_t extent : table.shape) n *= extent;
  for (std::size_t row = 0; row < n; ++row) {
    std::vector<std::string> cells(table.shape.size());
    for (std::size_t i = table.shape.size(), index = row; i-- > 0; index /= table.shape[i]) cells[i] = coordinates[i].at(index % table.shape[i]);
    for (Column& column : columns) cells.push_back(column.at(row));
    text += line(cells);
    if (text.size() > piece_elements) write(text), text.clear();
  }
  write(text);
}

/// Single values: one row each, with their attributes.
void write_scalars(const std::vector<const NamedArray*>& arrays, const Write& write) {
  std::vector<std::string> extra;
  for (const NamedArray* array : arrays)
    for (const auto& [name, value] : array->attributes)
      if (std::holds_alternative<std::string>(value) && std::ranges::count(extra, name) == 0) extra.push_back(name);
  std::vector<std::string> head{"name", "value", "unit", "meaning"};
  for (const std::string& name : extra) head.push_back(cell(name));
  std::string text = line(head);
  for (const NamedArray* array : arrays) {
    std::vector<std::string> cells{cell(array->name), std::visit([](const auto& values) { return cell(values.at(0)); }, array->data), cell(array->unit),
                                   cell(array->long_name)};
    for (const std::string& name : extra) cells.push_back(cell(text_attribute(array->attributes, name)));
    text += line(cells);
  }
  write(text);
}

Table table_for(const NamedArray& array, const std::string& path, const Coordinates& scope) {
  Table table{path, {}, {}, {}, array.shape};
  for (std::size_t i = 0; i < array.dims.size(); ++i) {
    const NamedArray* coordinate = scope.find(array.dims[i]);
    if (coordinate == nullptr || coordinate->shape[0] != array.shape[i])
      throw InputError(path + "/" + array.name, fmt::format("dimension \"{}\" has no coordinate of its length", array.dims[i]));
    table.dimensions.push_back(coordinate);
    table.paths.push_back(scope.path_of(array.dims[i]));
  }
  return table;
}

/// The tables of a group, in the order of their first arrays; coordinates stand in the tables of others where there are any.
std::vector<Table> tables_of(const std::string& path, const Group& group, const Coordinates& scope) {
  std::vector<Table> tables;
  const auto add = [&](const NamedArray& array, bool is_column) {
    for (Table& table : tables)
      if (table.arrays.empty() ? table.dimensions[0]->dims == array.dims : table.arrays[0]->dims == array.dims) {
        if (is_column) table.arrays.push_back(&array);
        return;
      }
    Table table = table_for(array, path, scope);
    if (is_column) table.arrays.push_back(&array);
    tables.push_back(std::move(table));
  };
  const auto is_coordinate = [](const NamedArray& array) { return array.dims == std::vector{array.name}; };
  for (const NamedArray& array : group.arrays)
    if (!array.dims.empty() && !is_coordinate(array)) add(array, true);
  for (const NamedArray& array : group.arrays)
    if (is_coordinate(array) && std::ranges::none_of(tables, [&](const Table& t) { return std::ranges::count(t.dimensions, &array) > 0; })) add(array, false);
  return tables;
}

class Folder {
 public:
  Folder(const fs::path& wanted, bool overwrite)
      : target_(wanted.has_filename() ? wanted : wanted.parent_path()), part_(target_.string() + ".part") {  // also "tables/"
    const fs::path& target = target_;
    const std::string where = target.string();
    if (!target.has_filename() || target.filename() == "." || target.filename() == "..") throw InputError(wanted.string(), "no folder name given");
    std::error_code error;
    const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
    if (!fs::is_directory(parent, error)) throw InputError(where, fmt::format("the folder {} does not exist", parent.string()));
    if (fs::exists(fs::symlink_status(target, error))) {
      if (!overwrite) throw InputError(where, "exists already", "give --force to replace an earlier export");
      if (!is_export(target)) throw InputError(where, "is no earlier export, and is not replaced", "choose another name");
    }
    fs::remove_all(part_, error);
    fs::create_directory(part_, error);
    if (error) throw InputError(where, "cannot be written: " + error.message());
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(part_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void add(const fs::path& file, const std::function<void(const Write&)>& fill) {
    const fs::path path = part_ / file;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (fs::exists(path, error)) throw InputError(target_.string(), fmt::format("two tables would be called {}", file.string()));
    std::ofstream out(path, std::ios::binary);
    fill([&](std::string_view text) { out << text; });
    out.close();
    if (!out) throw InputError(target_.string(), fmt::format("cannot be written ({})", file.string()));
    files_.push_back(file);
  }

  std::vector<fs::path> finish() {
    std::error_code error;
    const fs::path old = target_.string() + ".old";
    const bool replaces = fs::exists(target_, error);
    if (replaces) fs::rename(target_, old, error);
    if (!error) fs::rename(part_, target_, error);
    if (error) throw InputError(target_.string(), "cannot be replaced: " + error.message());
    if (replaces) fs::remove_all(old, error);
    return files_;
  }

 private:
  static bool is_export(const fs::path& folder) {
    std::ifstream in(folder / list_of_columns);
    std::string head;
    return std::getline(in, head) && head + "\n" == columns_head;
  }

  fs::path target_, part_;
  std::vector<fs::path> files_;
};

/// "/simulation/a" and (time, cohort): simulation/a/by_time_cohort.csv; the only table of /states: states.csv.
fs::path file_of(const std::string& group, const std::vector<std::string>& dims, bool is_only, bool has_groups) {
  const std::string by = dims.empty() ? "values" : fmt::format("by_{}", fmt::join(dims, "_"));
  if (group.empty()) return by + ".csv";
  const std::string path = group.substr(1);
  if (has_groups) return path + "/" + by + ".csv";
  return is_only ? path + ".csv" : path + "_" + by + ".csv";
}

/// Names in a foreign archive that would lead out of the folder, or hide.
void expect_plain_path(const std::string& archive, const std::string& path) {
  for (const fs::path& part : fs::path(path))
    if (part == ".." || part.string().starts_with('.')) throw InputError(archive, fmt::format("{} cannot be a file name", path));
}

std::string attribute_text(const AttributeValue& value) {
  return std::visit(
      []<class Value>(const Value& v) -> std::string {
        if constexpr (std::is_same_v<Value, std::string>)
          return cell(v);
        else if constexpr (std::is_same_v<Value, Texts>)
          return cell(fmt::format("{}", fmt::join(v, "\n")));
        else if constexpr (requires { v.size(); })
          return cell(fmt::format("{}", fmt::join(v, ",")));
        else
          return cell(v);
      },
      value);
}

void write_attributes(const Group& root, const Write& write) {
  write("group,attribute,value\n");
  walk(root, [&](const std::string& path, const Group& group, const Coordinates&) {
    for (const auto& [name, value] : group.attributes) write(line({cell(path.empty() ? "/" : path), cell(name), attribute_text(value)}));
  });
}

std::string column_line(const fs::path& file, const NamedArray& array) {
  return line({cell(file.string()), cell(array.name), cell(array.unit), cell(array.long_name)});
}

}  // namespace

std::vector<fs::path> export_csv(const fs::path& archive, const fs::path& folder, bool overwrite) {
  const Reader reader(archive);
  const Group root = reader.tree(piece_elements);
  Folder out(folder, overwrite);
  std::string columns(columns_head);
  walk(root, [&](const std::string& path, const Group& group, const Coordinates& scope) {
    expect_plain_path(archive.string(), path);
    std::vector<const NamedArray*> scalars;
    for (const NamedArray& array : group.arrays)
      if (array.dims.empty()) scalars.push_back(&array);
    const std::vector<Table> tables = tables_of(path, group, scope);
    const bool is_only = tables.size() + !scalars.empty() == 1, has_groups = !group.groups.empty();
    if (!scalars.empty()) out.add(file_of(path, {}, is_only, has_groups), [&](const Write& write) { write_scalars(scalars, write); });
    for (const Table& table : tables) {
      std::vector<std::string> dims;
      for (const NamedArray* array : table.dimensions) dims.push_back(array->name);
      const fs::path file = file_of(path, dims, is_only, has_groups);
      out.add(file, [&](const Write& write) { write_table(reader, table, write); });
      for (const NamedArray* array : table.dimensions) columns += column_line(file, *array);
      for (const NamedArray* array : table.arrays) columns += column_line(file, *array);
    }
  });
  out.add("attributes.csv", [&](const Write& write) { write_attributes(root, write); });
  out.add(list_of_columns, [&](const Write& write) { write(columns); });
  return out.finish();
}

void export_array(const fs::path& archive, const std::string& array, const Write& write) {
  const Reader reader(archive);
  const Group root = reader.tree(piece_elements);
  std::vector<std::string> known;
  bool is_found = false;
  const std::string wanted = array.starts_with('/') ? array : "/" + array;
  walk(root, [&](const std::string& path, const Group& group, const Coordinates& scope) {
    for (const NamedArray& candidate : group.arrays) {
      known.push_back((path + "/" + candidate.name).substr(1));
      if (is_found || path + "/" + candidate.name != wanted) continue;
      is_found = true;
      const bool is_coordinate = candidate.dims == std::vector{candidate.name};
      Table table = table_for(candidate, path, scope);
      if (!is_coordinate) table.arrays.push_back(&candidate);
      write_table(reader, table, write);
    }
  });
  if (is_found) return;
  const std::string near = nearest_name(wanted.substr(1), known);
  throw InputError(archive.string(), fmt::format("holds no array \"{}\"", array),
                   near.empty() ? "see nkpk export --csv ARCHIVE -o FOLDER" : fmt::format("did you mean \"{}\"?", near));
}

}  // namespace nkpk::archive
