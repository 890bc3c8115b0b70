// A journal as the archive that it would become.
#include <algorithm>

#include "nkpk/archive/group_bytes.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/core/course_summary.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/core/group_rows.hpp"

namespace nkpk::archive {
namespace {

using Kind = JournalRecord::Kind;

// observables times outputs times quantiles; all observables at 10,000 outputs have a tenth of it
constexpr std::size_t most_summarised = std::size_t{1} << 24;

/// The shapes of n patients, and no values.
void become_outline(Group& group, std::size_t n) {
  for (NamedArray& array : group.arrays)
    if (!array.dims.empty() && array.dims[0] == "patient") array.shape[0] = n;
  for (auto& [name, inner] : group.groups) become_outline(inner, n);
}

void forget_values(Group& group) {
  for (NamedArray& array : group.arrays)
    if (!array.dims.empty() && array.dims.back() == "time") std::visit([](auto& values) { values.clear(); }, array.data);
}

const Group& group_in(const Group& header, const std::string& name) {
  const Group* group = find_group(header, name);
  if (!group) throw BytesError("no group " + name);
  return *group;
}

CourseSummary summary_of(const Group& header) {
  const NamedArray* time = find_array(group_in(header, "archive"), "time");
  if (!time || time->shape.size() != 1) throw BytesError("no times");
  CourseSummary summary(group_in(header, "summaries"), time->shape[0]);
  const std::size_t columns = summary.observables().size() * (summary.n_quantiles() + 1);
  if (columns > 0 && time->shape[0] > most_summarised / columns) throw BytesError("more courses than can be summarised");
  return summary;
}

Group group_from(const ReadAt& read, const JournalIndex& index, const std::string& status, bool is_outline) {
  const Group header = group_of(payload_of(read, index.records.at(0)));
  CourseSummary summary = summary_of(header);
  Group root = group_in(header, "archive");
  Attributes progress = header.attributes;
  const bool has_courses = std::ranges::all_of(summary.observables(), [&](const NamedArray& o) { return find_array(root, o.name) != nullptr; });

  const JournalRecord* last_checkpoint = nullptr;
  const JournalRecord* last_rows = nullptr;
  for (const JournalRecord& record : index.records) {
    if (record.kind == Kind::checkpoint) last_checkpoint = &record;
    if (record.kind != Kind::rows) continue;
    last_rows = &record;
    if (is_outline) continue;
    const Group rows = group_of(payload_of(read, record));
    append_rows(root, rows);
    if (has_courses) summary.add(rows);
    progress = rows.attributes;
  }
  if (is_outline) {
    if (last_rows) progress = group_of(payload_of(read, *last_rows)).attributes;
    become_outline(root, index.n_patients);
  } else if (!has_courses && last_checkpoint) {
    const std::string bytes = payload_of(read, *last_checkpoint);
    ByteReader in(bytes);
    summary.read(in);
  }
  progress["status"] = status;
  Group rest{{}, std::move(progress), summary.groups()};
  if (is_outline)
    for (auto& [name, group] : rest.groups) forget_values(group);
  append_rest(root, std::move(rest));
  return root;
}

}  // namespace

Group journal_group(const ReadAt& read, std::uint64_t size, const std::string& where, const std::string& status, bool is_outline) {
  const JournalIndex index = index_of(read, size, is_outline ? Check::last : Check::all);
  if (!index.is_journal) throw InputError(where, "not a journal of nkpk");
  if (index.records.empty()) throw InputError(where, "a journal whose header is incomplete, damaged or of another format");
  try {
    return group_from(read, index, status, is_outline);
  } catch (const BytesError& error) {
    throw InputError(where, std::string("damaged journal: ") + error.what());
  } catch (const std::logic_error& error) {  // rows that do not fit, too many numbers
    throw InputError(where, std::string("damaged journal: ") + error.what());
  }
}

}  // namespace nkpk::archive
