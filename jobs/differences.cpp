#include "nkpk/jobs/differences.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstdint>

#include "nkpk/core/group_rows.hpp"

namespace nkpk {
namespace {

constexpr std::size_t most_shown = 60;  // characters of a value

std::string shown(const std::string& text) { return fmt::format("\"{}\"", text.size() <= most_shown ? text : text.substr(0, most_shown) + "..."); }
std::string shown(double x) { return fmt::format("{}", x); }
std::string shown(std::int64_t x) { return fmt::format("{}", x); }
template <class Element>
std::string shown(const std::vector<Element>& values) {
  std::vector<std::string> texts;
  for (const Element& value : values) texts.push_back(shown(value));
  return fmt::format("{}", fmt::join(texts, ", "));
}
template <class... Types>
std::string shown(const std::variant<Types...>& value) {
  return std::visit([](const auto& v) { return shown(v); }, value);
}

bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }
bool same(std::int64_t a, std::int64_t b) { return a == b; }
bool same(const std::string& a, const std::string& b) { return a == b; }
template <class Element>
bool same(const std::vector<Element>& a, const std::vector<Element>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Element& x, const Element& y) { return same(x, y); });
}
bool same(const AttributeValue& a, const AttributeValue& b) {
  return a.index() == b.index() && std::visit([&]<class Value>(const Value& value) { return same(value, std::get<Value>(b)); }, a);
}

class Differences {
 public:
  void compare(const Attributes& before, const Attributes& now, const std::string& where) {
    for (const auto& [name, value] : now) {
      const auto it = before.find(name);
      if (it != before.end() && !same(it->second, value)) add(where + name, shown(it->second), shown(value));
    }
  }
  /// Of all but the patients.
  void compare(const Group& before, const Group& now, const std::string& where) {
    for (const auto& [name, inner] : now.groups)
      if (const Group* other = find_group(before, name)) {
        compare(other->attributes, inner.attributes, where + name + "/");
        compare(*other, inner, where + name + "/");
      }
    for (const NamedArray& array : now.arrays) {
      if (!array.dims.empty() && array.dims[0] == "patient") continue;
      const NamedArray* other = find_array(before, array.name);
      if (!other)
        texts.push_back(fmt::format("{}{}: not there before", where, array.name));
      else if (other->shape != array.shape)
        texts.push_back(fmt::format("{}{}: shape {} before, {} now", where, array.name, fmt::join(other->shape, " x "), fmt::join(array.shape, " x ")));
      else
        compare(before, now, *other, array, where);
    }
  }
  std::vector<std::string> texts;

 private:
  void add(const std::string& what, const std::string& before, const std::string& now) {
    texts.push_back(fmt::format("{}: {} before, {} now", what, before, now));
  }

  /// The first element that differs, by the name that its coordinate gives it.
  void compare(const Group& group_before, const Group& group, const NamedArray& before, const NamedArray& now, const std::string& where) {
    if (before.data.index() != now.data.index()) return texts.push_back(where + now.name + ": of another type before");
    std::visit(
        [&]<class Values>(const Values& values) {
          const auto& others = std::get<Values>(before.data);
          if (others.size() != values.size()) return;  // an outline
          for (std::size_t i = 0; i < values.size(); ++i) {
            if (same(others[i], values[i])) continue;
            const NamedArray* names = now.dims.size() == 1 ? find_array(group, now.dims[0]) : nullptr;
            const NamedArray* old_names = names ? find_array(group_before, now.dims[0]) : nullptr;
            const auto* known = old_names && names->data == old_names->data ? std::get_if<std::vector<std::string>>(&names->data) : nullptr;
            const std::string what = where + now.name +
                                     (known && i < known->size() ? "[" + (*known)[i] + "]"
                                      : values.size() > 1        ? fmt::format("[{}]", i)
                                                                 : "");
            return describe(what, others[i], values[i]);
          }
        },
        now.data);
  }
  template <class Element>
  void describe(const std::string& what, const Element& before, const Element& now) {
    add(what, shown(before), shown(now));
  }
  /// Of long texts the first line that differs.
  void describe(const std::string& what, const std::string& before, const std::string& now) {
    std::size_t begin = 0, line = 1;
    for (std::size_t i = 0; i < std::min(before.size(), now.size()) && before[i] == now[i]; ++i)
      if (before[i] == '\n') begin = i + 1, ++line;
    const auto line_of = [begin](const std::string& text) { return text.substr(begin, text.find('\n', begin) - begin); };
    add(line > 1 ? fmt::format("{}, line {}", what, line) : what, shown(line_of(before)), shown(line_of(now)));
  }
};

/// What of the origin decides on bits.
Attributes deciding(const Group* provenance) {
  Attributes kept;
  if (!provenance) return kept;
  for (const char* key : {"program", "model_hash", "compiler", "boost", "eigen"})
    if (const auto it = provenance->attributes.find(key); it != provenance->attributes.end()) kept.insert(*it);
  return kept;
}

Group without(Group group, const std::string& name) {
  std::erase_if(group.groups, [&](const auto& g) { return g.name == name; });
  return group;
}

}  // namespace

std::vector<std::string> differences(const Group& before, const Group& now) {
  const Group *was = find_group(before, "archive"), *is = find_group(now, "archive");
  if (!was || !is) return {"no header of an ensemble"};
  Differences found;
  found.compare(deciding(find_group(*was, "provenance")), deciding(find_group(*is, "provenance")), "");
  if (const Group* old_job = find_group(before, "job"), *job = find_group(now, "job"); old_job && job) found.compare(old_job->attributes, job->attributes, "");
  Attributes attributes = is->attributes;
  attributes.erase("history");  // when and how it was called
  found.compare(was->attributes, attributes, "");
  found.compare(without(*was, "provenance"), without(*is, "provenance"), "");
  return found.texts;
}

Group header_of_archive(Group archive) {
  Group job;
  if (const auto isa = archive.attributes.find("isa"); isa != archive.attributes.end()) job.attributes.insert(*isa);
  std::vector<std::string> observables;
  bool has_courses = false;
  if (const Group* means = find_group(archive, "mean"))
    for (const NamedArray& array : means->arrays) {
      observables.push_back(array.name);
      has_courses = has_courses || find_array(archive, array.name);
    }
  job.attributes["observables"] = observables;
  job.attributes["courses"] = std::string(has_courses ? "kept" : "not kept");
  if (const Group* quantiles = find_group(archive, "quantiles"))
    if (const NamedArray* levels = find_array(*quantiles, "quantile"); levels && std::holds_alternative<std::vector<double>>(levels->data))
      job.attributes["quantiles"] = std::get<std::vector<double>>(levels->data);
  return {{}, {}, {{"archive", std::move(archive)}, {"job", std::move(job)}}};
}

}  // namespace nkpk
