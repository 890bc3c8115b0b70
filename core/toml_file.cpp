#include "nkpk/core/toml_file.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "nkpk/core/error.hpp"

namespace nkpk {
namespace {

std::string name_of(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::text: return "a text";
    case Node::Kind::number: return "a number";
    case Node::Kind::flag: return "true or false";
    case Node::Kind::list: return "a list";
    case Node::Kind::table: return "a table";
  }
  return "";
}

constexpr int deepest = 32;

// The parser limits the depth of lists and inline tables, but not of a.b.c...: 200,000 parts use up its stack.
void refuse_deep_keys(const std::string& content, const std::string& name) {
  constexpr int most_dots = 50;
  int line = 1, dots = 0;
  for (const char c : content) {
    if (c == '.') ++dots;
    if (c == ',' || c == '=' || c == '\n') dots = 0;
    if (c == '\n') ++line;
    if (dots > most_dots) throw InputError(fmt::format("{}:{}", name, line), fmt::format("more than {} dots in a row", most_dots), "the file is not a table of values");
  }
}

// The parser takes some hundred bytes a value; comments cost nothing.
void refuse_large(const std::string& content, const std::string& name) {
  if (content.size() > largest_file) throw InputError(name, fmt::format("is larger than {} MiB", largest_file >> 20), "expected a TOML file");
  std::size_t size = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line(content.data() + begin, end - begin);
    // within a text of several lines such a line may be the last one, and more follow on it
    const bool is_comment = line.starts_with('#') && line.find("\"\"\"") == line.npos && line.find("'''") == line.npos;
    if (!is_comment) size += line.size();
    begin = end + 1;
  }
  if (size > largest_content) throw InputError(name, fmt::format("holds more than {} MiB besides comments", largest_content >> 20), "expected a TOML file");
}

Node convert(const toml::node& from, const std::string& file, const std::string& path, int depth, std::size_t& values) {
  Node to;
  to.line = static_cast<int>(from.source().begin.line);
  to.file = file;
  if (depth > deepest) throw InputError(to.where(path), "tables or lists are nested too deep", fmt::format("expected at most {} levels", deepest));
  if (++values > most_values) throw InputError(to.where(), fmt::format("more than {} values", most_values), "expected what one regimen or one patient needs");
  if (const auto* table = from.as_table()) {
    to.kind = Node::Kind::table;
    // toml++ sorts by key; the order of the file matters for options and for messages
    std::vector<std::pair<toml::source_position, Node::Entry>> placed;
    for (const auto& [key, value] : *table) {
      const std::string name(key.str());
      expect_plain_text(name, to.where("a key"));
      placed.push_back({value.source().begin, {name, convert(value, file, path.empty() ? name : path + "." + name, depth + 1, values)}});
    }
    std::stable_sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [position, entry] : placed) to.entries.push_back(std::move(entry));
  } else if (const auto* array = from.as_array()) {
    to.kind = Node::Kind::list;
    for (const auto& value : *array) to.items.push_back(convert(value, file, path, depth + 1, values));
  } else if (const auto* text = from.as_string()) {
    to.kind = Node::Kind::text;
    to.text = text->get();
    expect_plain_text(to.text, to.where(path));
  } else if (const auto* integer = from.as_integer()) {
    to.kind = Node::Kind::number;
    to.number = static_cast<double>(integer->get());
  } else if (const auto* real = from.as_floating_point()) {
    to.kind = Node::Kind::number;
    to.number = real->get();
    if (!std::isfinite(to.number)) throw InputError(to.where(path), "a number must be finite");
  } else if (const auto* flag = from.as_boolean()) {
    to.kind = Node::Kind::flag;
    to.flag = flag->get();
  } else {
    throw InputError(to.where(path), "dates and times are not used here", "expected a text such as \"2 d\"");
  }
  return to;
}

}  // namespace

const Node* Node::find(const std::string& key) const {
  for (const auto& [name, value] : entries)
    if (name == key) return &value;
  return nullptr;
}
Node* Node::find(const std::string& key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

void Node::set(const std::string& key, Node value) {
  if (Node* old = find(key))
    *old = std::move(value);
  else
    entries.push_back({key, std::move(value)});
}

bool Node::erase(const std::string& key) {
  return std::erase_if(entries, [&](const Entry& entry) { return entry.key == key; }) > 0;
}

std::string Node::where(const std::string& key) const {
  std::string place = line > 0 ? fmt::format("{}:{}", file, line) : file;
  return key.empty() ? place : place + ": " + key;
}

std::string Node::kind_name() const { return name_of(kind); }

Node text_node(std::string text, std::string file) {
  Node node;
  node.kind = Node::Kind::text;
  node.text = std::move(text);
  node.file = std::move(file);
  return node;
}

std::string toml_library_version() { return fmt::format("{}.{}.{}", TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH); }

TomlFile parse_toml(const std::string& content, const std::string& name) {
  TomlFile file;
  file.name = name;
  file.content = content;
  refuse_large(content, name);
  refuse_deep_keys(content, name);
  try {
    const toml::table table = toml::parse(content, name);
    std::size_t values = 0;
    file.root = convert(table, name, "", 0, values);
  } catch (const toml::parse_error& error) {
    throw InputError(fmt::format("{}:{}", name, error.source().begin.line), std::string(error.description()), "the file is not valid TOML");
  }
  if (content.find_first_not_of(" \t\r\n") == std::string::npos) throw InputError(name, "is empty", "expected a TOML file with format = 1 at its top");
  const Node* format = file.root.find("format");
  if (!format) throw InputError(name, "no key \"format\"", "expected format = 1 at the top of the file");
  if (format->kind != Node::Kind::number || format->number != 1)
    throw InputError(format->where("format"), fmt::format("is {}", format->kind == Node::Kind::number ? fmt::format("{}", format->number) : format->kind_name()),
                     "this program reads format = 1");
  return file;
}

TomlFile read_toml(const std::filesystem::path& path) {
  if (path.native().find('\0') != std::string::npos) throw InputError(path.string(), "cannot be the name of a file");
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw InputError(path.string(), "is a folder", "expected a TOML file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError(path.string(), "cannot be opened", "expected a readable TOML file");
  std::string content;
  std::vector<char> buffer(std::size_t{1} << 16);
  while (stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), stream.gcount() > 0) {
    content.append(buffer.data(), static_cast<std::size_t>(stream.gcount()));
    if (content.size() > largest_file) break;  // /dev/zero has no end
  }
  if (stream.bad()) throw InputError(path.string(), "cannot be read");
  return parse_toml(content, path.string());
}

void expect_plain_text(const std::string& text, const std::string& where) {
  if (text.size() > longest_text) throw InputError(where, fmt::format("is a text of {} bytes", text.size()), fmt::format("expected at most {}", longest_text));
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = printable_character(std::string_view(text).substr(i));
    if (size == 0 && text[i] != '\n' && text[i] != '\t' && text[i] != '\r') throw InputError(where, "holds a control character", "expected plain text");
    i += std::max<std::size_t>(1, size);
  }
}

void expect_kind(const Node& node, Node::Kind kind, const std::string& where) {
  if (node.kind == kind) return;
  const bool brackets = kind == Node::Kind::list && node.kind == Node::Kind::table;
  throw InputError(where, fmt::format("is {}", node.kind_name()), fmt::format("expected {}{}", name_of(kind), brackets ? ": double brackets around a table's name make it one of a list" : ""));
}

Quantity quantity_of(const Node& node, const std::string& where) {
  if (node.kind == Node::Kind::number) {
    Quantity q;
    q.number = node.number;
    q.text = fmt::format("{}", node.number);
    q.where = where;
    return q;
  }
  if (node.kind != Node::Kind::text)
    throw InputError(where, fmt::format("is {}", node.kind_name()), "expected \"number unit\", for example \"25 mg/m^2\"");
  return parse_quantity(node.text, where);
}

TableReader::TableReader(const Node& table, std::string path) : table_(table), path_(std::move(path)) {
  expect_kind(table, Node::Kind::table, table.where(path_));
}

std::string TableReader::where(const std::string& key) const {
  const Node* node = table_.find(key);
  return node ? node->where(path(key)) : table_.where(path(key));
}

const Node* TableReader::optional(const std::string& key, std::optional<Node::Kind> kind) {
  asked_.insert(key);
  const Node* node = table_.find(key);
  if (node && kind) expect_kind(*node, *kind, where(key));
  return node;
}

const Node& TableReader::required(const std::string& key, std::optional<Node::Kind> kind) {
  const Node* node = optional(key, kind);
  if (!node) {
    // a misspelt key is better named than the missing one it stands for
    std::string hint;
    for (const auto& [name, value] : table_.entries)
      if (!asked_.contains(name) && nearest_name(name, {key}) == key) hint = fmt::format("did you write it as \"{}\"?", name);
    throw InputError(table_.where(path_), fmt::format("no key \"{}\"", key), hint);
  }
  return *node;
}

std::string TableReader::text(const std::string& key) { return required(key, Node::Kind::text).text; }

std::string TableReader::text_or(const std::string& key, const std::string& fallback) {
  const Node* node = optional(key, Node::Kind::text);
  return node ? node->text : fallback;
}

std::optional<Quantity> TableReader::quantity(const std::string& key) {
  const Node* node = optional(key);
  if (!node) return std::nullopt;
  return quantity_of(*node, where(key));
}

Quantity TableReader::required_quantity(const std::string& key) { return quantity_of(required(key), where(key)); }

void TableReader::finish() const {
  for (const auto& [key, value] : table_.entries) {
    if (asked_.contains(key)) continue;
    throw unknown_name(value.where(path(key)), "key", key, {asked_.begin(), asked_.end()});
  }
}

}  // namespace nkpk
