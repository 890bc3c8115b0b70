#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nkpk/core/units.hpp"

namespace nkpk {

/// A TOML value with the line it stands on. Tables keep the order of the file.
struct Node {
  struct Entry;
  enum class Kind { text, number, flag, list, table };
  Kind kind = Kind::table;
  std::string text;             ///< of a text
  double number = 0;            ///< of an integer or a float
  bool flag = false;
  std::vector<Node> items;      ///< of a list
  std::vector<Entry> entries;   ///< of a table
  int line = 0;
  std::string file;             ///< as shown in messages

  const Node* find(const std::string& key) const;
  Node* find(const std::string& key);
  void set(const std::string& key, Node value);  ///< replaces or appends
  bool erase(const std::string& key);
  std::string where(const std::string& key = "") const;  ///< "file:line: key"
  std::string kind_name() const;
};
struct Node::Entry {
  std::string key;
  Node value;
};

/// A text node made by the program, for example from --set on the command line.
Node text_node(std::string text, std::string file);

struct TomlFile {
  Node root;
  std::string name;     ///< as shown in messages
  std::string content;  ///< the exact text read
};

// What a file may be: bounds for memory and time, far beyond what anyone writes by hand.
inline constexpr std::size_t largest_file = std::size_t{16} << 20;    ///< bytes
inline constexpr std::size_t largest_content = std::size_t{1} << 20;  ///< bytes that are no lines of comment
inline constexpr std::size_t most_values = 20000;                     ///< numbers, texts, lists and tables
inline constexpr std::size_t longest_text = 2000;                     ///< bytes of a text or a key

/// Throws InputError for a missing file, a folder, invalid TOML, another `format` than 1, and a file, a text or a number of
/// values beyond the bounds above.
TomlFile read_toml(const std::filesystem::path& path);
TomlFile parse_toml(const std::string& content, const std::string& name);

/// Reads one table and remembers which keys were asked for; finish() refuses the others by name.
class TableReader {
 public:
  TableReader(const Node& table, std::string path);

  bool has(const std::string& key) const { return table_.find(key) != nullptr; }
  bool asked(const std::string& key) const { return asked_.contains(key); }
  /// "path.key", without the place
  std::string path(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  const Node* optional(const std::string& key, std::optional<Node::Kind> kind = {});
  const Node& required(const std::string& key, std::optional<Node::Kind> kind = {});
  std::string text(const std::string& key);
  std::string text_or(const std::string& key, const std::string& fallback);
  std::optional<Quantity> quantity(const std::string& key);
  Quantity required_quantity(const std::string& key);
  /// "file:line: path.key"
  std::string where(const std::string& key) const;
  /// Throws InputError for the first key nobody asked for, with the nearest known one.
  void finish() const;

 private:
  const Node& table_;
  std::string path_;
  std::set<std::string> asked_;
};

/// "3.3.0" and the like: toml++, which reads the files.
std::string toml_library_version();

/// A quantity from a text node, or from a bare number, which is then a pure number.
Quantity quantity_of(const Node& node, const std::string& where);

/// Throws InputError unless the text is UTF-8 without control characters and no longer than a text may be.
void expect_plain_text(const std::string& text, const std::string& where);

/// Throws InputError unless the node is of this kind.
void expect_kind(const Node& node, Node::Kind kind, const std::string& where);

}  // namespace nkpk
