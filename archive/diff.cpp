#include "nkpk/archive/diff.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "nkpk/archive/walk.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;
using Kind = Difference::Kind;

// Attributes of a run or of the root that say how it was made; the group /provenance is all of that kind.
const std::set<std::string> of_origin{"history", "source", "isa", "pack_width"};

std::string text_of(const AttributeValue& value) {
  return std::visit(
      []<class Value>(const Value& v) -> std::string {
        if constexpr (std::is_same_v<Value, std::string>)
          return v;
        else if constexpr (requires { v.size(); })
          return fmt::format("[{}]", fmt::join(v, ", "));
        else
          return fmt::format("{}", v);
      },
      value);
}

std::string value_text(double value) { return std::isnan(value) ? "missing" : fmt::format("{}", value); }
std::string value_text(std::int64_t value) { return fmt::format("{}", value); }
std::string value_text(const std::string& value) { return value; }

/// How far two values are apart; texts: whether.
struct Gap {
  bool is_one = false;
  double absolute = 0, relative = 0;
};

Gap gap(double a, double b, const Tolerance& tolerance) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return {};
  const double apart = std::abs(a - b), size = std::max(std::abs(a), std::abs(b));
  if (apart <= tolerance.atol + tolerance.rtol * size && std::isfinite(size)) return {};
  return {true, apart, std::isfinite(size) ? apart / size : std::nan("")};
}
Gap gap(std::int64_t a, std::int64_t b, const Tolerance& tolerance) { return a == b ? Gap{} : gap(static_cast<double>(a), static_cast<double>(b), tolerance); }
Gap gap(const std::string& a, const std::string& b, const Tolerance&) { return {a != b, 0, 0}; }

/// To the bit: attributes are settings and names.
bool same(const AttributeValue& a, const AttributeValue& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&]<class Value>(const Value& x) {
        const auto& y = std::get<Value>(b);
        if constexpr (requires { typename Value::allocator_type; } && !std::is_same_v<Value, std::string>) {
          return std::ranges::equal(x, y, [&](const auto& p, const auto& q) { return !gap(p, q, {}).is_one; });
        } else {
          return !gap(x, y, {}).is_one;
        }
      },
      a);
}

/// NaN counts as greater than any number.
bool exceeds(double candidate, double greatest) { return !std::isnan(greatest) && (std::isnan(candidate) || candidate > greatest); }

class Comparison {
 public:
  Comparison(const Reader& a, const Reader& b, const Tolerance& tolerance) : a_(a), b_(b), tolerance_(tolerance) {}

  std::vector<Difference> run() {
    compare("", a_.tree(piece_elements), b_.tree(piece_elements), nullptr, false);
    std::ranges::stable_sort(found_, {}, [](const Difference& d) { return d.kind == Kind::input || d.where.starts_with("input ") ? 0 : 1; });
    return std::move(found_);
  }

 private:
  void add(Kind kind, const std::string& where, bool is_origin, std::string a = "", std::string b = "") {
    Difference difference{};
    difference.kind = kind, difference.where = where, difference.is_origin = is_origin;
    difference.a = std::move(a), difference.b = std::move(b);
    found_.push_back(std::move(difference));
  }

  void compare(const std::string& path, const Group& a, const Group& b, const Coordinates* outer, bool is_origin) {
    const Coordinates scope{outer, a, path};
    compare(path.empty() ? "/" : path, a.attributes, b.attributes, is_origin);
    const bool is_inputs = find_array(a, "input_text") != nullptr && find_array(b, "input_text") != nullptr;
    if (is_inputs) compare_inputs(a, b);
    for (const NamedArray& array : a.arrays) {
      if (is_inputs && array.dims == std::vector<std::string>{"input"}) continue;
      const std::string where = path + "/" + array.name;
      const NamedArray* other = find_array(b, array.name);
      if (other == nullptr)
        add(Kind::only_in_a, where, is_origin);
      else
        compare(where, array, *other, scope, is_origin);
    }
    for (const NamedArray& array : b.arrays)
      if (find_array(a, array.name) == nullptr) add(Kind::only_in_b, path + "/" + array.name, is_origin);
    for (const auto& [name, inner] : a.groups) {
      const std::string where = path + "/" + name;
      const Group* other = find_group(b, name);
      if (other == nullptr)
        add(Kind::only_in_a, where, is_origin);
      else
        compare(where, inner, *other, &scope, is_origin || where == "/provenance");
    }
    for (const auto& [name, inner] : b.groups)
      if (find_group(a, name) == nullptr) add(Kind::only_in_b, path + "/" + name, is_origin);
  }

  void compare(const std::string& where, const Attributes& a, const Attributes& b, bool is_origin) {
    std::set<std::string> names;
    for (const auto& [name, value] : a) names.insert(name);
    for (const auto& [name, value] : b) names.insert(name);
    for (const auto& name : names) {
      const bool has_a = a.contains(name), has_b = b.contains(name), origin = is_origin || of_origin.contains(name);
      if (has_a && has_b && same(a.at(name), b.at(name))) continue;
      const Kind kind = !has_b ? Kind::only_in_a : !has_a ? Kind::only_in_b : Kind::attribute;
      add(kind, where + "@" + name, origin, has_a ? text_of(a.at(name)) : "", has_b ? text_of(b.at(name)) : "");
    }
  }

  void compare(const std::string& where, const NamedArray& a, const NamedArray& b, const Coordinates& scope, bool is_origin) {
    if (a.unit != b.unit) add(Kind::attribute, where + "@units", is_origin, a.unit, b.unit);
    if (a.long_name != b.long_name) add(Kind::attribute, where + "@long_name", is_origin, a.long_name, b.long_name);
    compare(where, a.attributes, b.attributes, is_origin);
    if (a.dims != b.dims || a.shape != b.shape || a.data.index() != b.data.index()) return add(Kind::shape, where, is_origin, shape_text(a), shape_text(b));
    compare_values(where, a, b, scope, is_origin);
  }

  static std::string shape_text(const NamedArray& array) {
    std::string text;
    for (std::size_t i = 0; i < array.dims.size(); ++i) text += fmt::format("{}{}={}", i ? ", " : "", array.dims[i], array.shape[i]);
    constexpr const char* names[] = {"numbers", "integers", "texts"};
    return fmt::format("{} ({})", names[array.data.index()], text);
  }

  void compare_values(const std::string& where, const NamedArray& a, const NamedArray& b, const Coordinates& scope, bool is_origin) {
    Difference d{};
    d.kind = Kind::values, d.where = where, d.n = n_elements(a), d.is_origin = is_origin;
    std::size_t first = 0, at_absolute = 0, at_relative = 0;
    const auto compare_piece = [&](std::size_t begin, const ArrayData& data_a, const ArrayData& data_b) {
      std::visit(
          [&]<class Values>(const Values& values) {
            const auto& others = std::get<Values>(data_b);
            for (std::size_t i = 0; i < values.size(); ++i) {
              const Gap g = gap(values[i], others.at(i), tolerance_);
              if (!g.is_one) continue;
              if (d.n_different++ == 0) first = begin + i, d.a = value_text(values[i]), d.b = value_text(others[i]);
              if (exceeds(g.absolute, d.max_absolute)) d.max_absolute = g.absolute, at_absolute = begin + i;
              if (exceeds(g.relative, d.max_relative)) d.max_relative = g.relative, at_relative = begin + i;
            }
          },
          data_a);
    };
    const std::size_t inner = a.shape.empty() || a.shape[0] == 0 ? 1 : d.n / a.shape[0];
    for_each_piece(a_, a, where, [&](std::size_t begin, const ArrayData& data_a) {
      const std::size_t size = std::visit([](const auto& values) { return values.size(); }, data_a);
      if (size == d.n)
        compare_piece(begin, data_a, b.data);
      else
        compare_piece(begin, data_a, b_.rows(where, begin / inner, size / inner));
    });
    if (d.n_different == 0) return;
    d.at = position(a, first, scope);
    if (!std::holds_alternative<Texts>(a.data)) d.at_absolute = position(a, at_absolute, scope), d.at_relative = position(a, at_relative, scope);
    found_.push_back(std::move(d));
  }

  static std::size_t n_held(const NamedArray& array) {
    return std::visit([](const auto& values) { return values.size(); }, array.data);
  }

  /// By coordinate: "time=3.5, cohort=nk-1".
  std::string position(const NamedArray& array, std::size_t index, const Coordinates& scope) const {
    std::string text;
    for (std::size_t i = array.dims.size(); i-- > 0;) {
      const std::size_t at = index % array.shape[i];
      index /= array.shape[i];
      const NamedArray* coordinate = scope.find(array.dims[i]);
      std::string value = fmt::format("#{}", at);
      if (coordinate != nullptr && n_held(*coordinate) > at)
        value = std::visit([&](const auto& values) { return fmt::format("{}", values[at]); }, coordinate->data);
      text = fmt::format("{}={}{}{}", array.dims[i], value, text.empty() ? "" : ", ", text);
    }
    return text;
  }

  static std::map<std::string, std::string> inputs_of(const Group& group) {
    const NamedArray *names = find_array(group, "input"), *contents = find_array(group, "input_text");
    const Texts none;
    const Texts* name = names ? std::get_if<Texts>(&names->data) : &none;
    const Texts* content = std::get_if<Texts>(&contents->data);
    std::map<std::string, std::string> inputs;
    for (std::size_t i = 0; name && content && i < std::min(name->size(), content->size()); ++i) inputs[(*name)[i]] = (*content)[i];
    return inputs;
  }

  void compare_inputs(const Group& a, const Group& b) {
    const auto ours = inputs_of(a), theirs = inputs_of(b);
    for (const auto& [name, text] : ours) {
      const auto other = theirs.find(name);
      if (other == theirs.end())
        add(Kind::only_in_a, "input " + name, false);
      else if (other->second != text)
        compare_lines(name, text, other->second);
    }
    for (const auto& [name, text] : theirs)
      if (!ours.contains(name)) add(Kind::only_in_b, "input " + name, false);
  }

  void compare_lines(const std::string& name, const std::string& a, const std::string& b) {
    std::istringstream in_a(a), in_b(b);
    for (std::size_t line = 1;; ++line) {
      std::string x, y;
      const bool has_x = static_cast<bool>(std::getline(in_a, x)), has_y = static_cast<bool>(std::getline(in_b, y));
      if (has_x && has_y && x == y) continue;
      const char* nothing = "(ends before)";
      const bool is_end = !has_x && !has_y;  // they differ in the last line break
      add(Kind::input, name, false,
          has_x                         ? x
          : is_end && a.ends_with('\n') ? "(ends with a line break)"
                                        : nothing,
          has_y                         ? y
          : is_end && b.ends_with('\n') ? "(ends with a line break)"
                                        : nothing);
      found_.back().line = line;
      return;
    }
  }

  const Reader &a_, &b_;
  const Tolerance& tolerance_;
  std::vector<Difference> found_;
};

}  // namespace

std::string to_string(Kind kind) {
  switch (kind) {
    case Kind::only_in_a:
      return "only in A";
    case Kind::only_in_b:
      return "only in B";
    case Kind::input:
      return "input";
    case Kind::attribute:
      return "attribute";
    case Kind::shape:
      return "shape";
    case Kind::values:
      return "values";
  }
  return "";
}

std::vector<Difference> diff(const std::filesystem::path& a, const std::filesystem::path& b, const Tolerance& tolerance) {
  for (const auto& [name, value] : {std::pair{"--rtol", tolerance.rtol}, {"--atol", tolerance.atol}})
    if (!(value >= 0) || std::isinf(value)) throw InputError(name, fmt::format("found {}", value), "expected 0 or more");
  const Reader reader_a(a), reader_b(b);
  return Comparison(reader_a, reader_b, tolerance).run();
}

}  // namespace nkpk::archive
