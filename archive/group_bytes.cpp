#include "nkpk/archive/group_bytes.hpp"

#include <set>

namespace nkpk::archive {
namespace {

using Texts = std::vector<std::string>;
constexpr int max_depth = 64;

void put(ByteWriter& out, const std::string& text) { out.text(text); }
template <Plain Number>
void put(ByteWriter& out, Number number) {
  out.number(number);
}
template <Plain Number>
void put(ByteWriter& out, const std::vector<Number>& values) {
  out.count(values.size());
  out.numbers(std::span<const Number>(values));
}
void put(ByteWriter& out, const Texts& texts) {
  out.count(texts.size());
  for (const std::string& text : texts) out.text(text);
}
/// Which alternative, then its value.
template <class... Types>
void put(ByteWriter& out, const std::variant<Types...>& value) {
  out.number(static_cast<std::uint8_t>(value.index()));
  std::visit([&](const auto& v) { put(out, v); }, value);
}
void put(ByteWriter& out, const Attributes& attributes) {
  out.count(attributes.size());
  for (const auto& [name, value] : attributes) {
    out.text(name);
    put(out, value);
  }
}
void put(ByteWriter& out, const NamedArray& array) {
  for (const std::string* text : {&array.name, &array.unit, &array.long_name}) out.text(*text);
  put(out, array.dims);
  for (const std::size_t extent : array.shape) out.count(extent);
  put(out, array.data);
  put(out, array.attributes);
}
void put(ByteWriter& out, const Group& group) {
  put(out, group.attributes);
  out.count(group.arrays.size());
  for (const NamedArray& array : group.arrays) put(out, array);
  out.count(group.groups.size());
  for (const auto& [name, inner] : group.groups) {
    out.text(name);
    put(out, inner);
  }
}

void take(ByteReader& in, std::string& text) { text = in.text(); }
template <Plain Number>
void take(ByteReader& in, Number& number) {
  number = in.number<Number>();
}
template <Plain Number>
void take(ByteReader& in, std::vector<Number>& values) {
  values = in.numbers<Number>(in.count());
}
void take(ByteReader& in, Texts& texts) {
  for (std::uint64_t left = in.count_of(1); left > 0; --left) texts.push_back(in.text());
}
template <std::size_t I = 0, class... Types>
void take(ByteReader& in, std::variant<Types...>& value, std::size_t which) {
  if constexpr (I == sizeof...(Types)) {
    throw BytesError("a value of no known type");
  } else {
    if (which == I)
      take(in, value.template emplace<I>());
    else
      take<I + 1>(in, value, which);
  }
}
template <class... Types>
void take(ByteReader& in, std::variant<Types...>& value) {
  take(in, value, in.number<std::uint8_t>());
}
void take(ByteReader& in, Attributes& attributes) {
  for (std::uint64_t left = in.count_of(2); left > 0; --left) {
    const std::string name = in.text();
    const auto [place, is_new] = attributes.try_emplace(name);
    if (!is_new) throw BytesError("two attributes " + name);
    take(in, place->second);
  }
}
void take(ByteReader& in, NamedArray& array) {
  for (std::string* text : {&array.name, &array.unit, &array.long_name}) *text = in.text();
  take(in, array.dims);
  std::uint64_t size = 1;
  for (std::size_t i = 0; i < array.dims.size(); ++i) {
    array.shape.push_back(in.count());
    if (__builtin_mul_overflow(size, array.shape.back(), &size)) throw BytesError("an array without end");
  }
  take(in, array.data);
  const std::size_t held = std::visit([](const auto& values) { return values.size(); }, array.data);
  if (held != size) throw BytesError("an array of another size than its shape");
  take(in, array.attributes);
}
void take(ByteReader& in, Group& group, int depth) {
  if (depth > max_depth) throw BytesError("groups are nested too deep");
  take(in, group.attributes);
  std::set<std::string> names;
  const auto expect_new = [&names](const std::string& name) {
    if (!names.insert(name).second) throw BytesError("two things are called " + name);
  };
  for (std::uint64_t left = in.count_of(7); left > 0; --left) {
    take(in, group.arrays.emplace_back());
    expect_new(group.arrays.back().name);
  }
  for (std::uint64_t left = in.count_of(4); left > 0; --left) {
    group.groups.emplace_back(in.text(), Group{});
    expect_new(group.groups.back().name);
    take(in, group.groups.back().group, depth + 1);
  }
}

}  // namespace

void write(ByteWriter& out, const Group& group) { put(out, group); }

std::string bytes_of(const Group& group) {
  ByteWriter out;
  write(out, group);
  return out.take();
}

Group group_of(std::string_view bytes) {
  ByteReader in(bytes);
  Group group;
  take(in, group, 0);
  if (!in.is_at_end()) throw BytesError("more than a tree");
  return group;
}

}  // namespace nkpk::archive
