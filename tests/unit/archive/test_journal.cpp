// A journal gives back what was put into it, up to the first byte that is not as it was written.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/group_bytes.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/core/course_summary.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/core/group_rows.hpp"
#include "support/files.hpp"
#include "support/refusal.hpp"

namespace fs = std::filesystem;
using namespace nkpk;
using namespace nkpk::test;
using namespace nkpk::archive;
using Kind = JournalRecord::Kind;

namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

constexpr std::size_t n_times = 3, rows_of_block = 4;

Group rows(std::size_t first, std::size_t n, bool has_courses) {
  Integers patient;
  Doubles values;
  Texts message;
  for (std::size_t i = first; i < first + n; ++i) {
    patient.push_back(static_cast<std::int64_t>(i));
    message.push_back(i % 3 == 0 ? "Nr. " + std::to_string(i) : "");
    for (std::size_t t = 0; t < n_times; ++t) values.push_back(i == 5 ? std::nan("") : std::sqrt(static_cast<double>(i * n_times + t)));
  }
  Group g;
  g.arrays = {{"patient", "", "number", {"patient"}, {n}, patient}};
  if (has_courses) g.arrays.push_back({"count", "cells", "cells", {"patient", "time"}, {n, n_times}, values, {{"lloq", 0.5}}});
  g.groups = {{"runs", Group{{{"message", "", "", {"patient"}, {n}, message}}, {}, {}}}};
  g.attributes = {{"n_patients", static_cast<std::int64_t>(first + n)}, {"solver", std::string("rodas5p")}};
  return g;
}

Group header(bool has_courses) {
  Group archive = rows(0, 0, has_courses);
  archive.attributes = {{"title", std::string("patients")}, {"flags", Integers{0, 1}}, {"names", Texts{}}};
  archive.arrays.push_back({"time", "days", "time", {"time"}, {n_times}, Doubles{0, 1, 2}});
  const CourseSummary summary({{"count", "cells", "cells", {}, {}, {}}}, n_times, {0.5, 1});
  return {{}, {{"n_patients", std::int64_t{0}}, {"solver", std::string()}}, {{"archive", archive}, {"summaries", summary.form()}}};
}

/// Three blocks with a checkpoint behind the second.
void write_journal(const fs::path& target, bool has_courses) {
  JournalFile journal(target);
  journal.begin(header(has_courses));
  CourseSummary summary({{"count", "cells", "cells", {}, {}, {}}}, n_times, {0.5, 1});
  for (std::size_t block = 0; block < 3; ++block) {
    journal.append(Kind::rows, block * rows_of_block, (block + 1) * rows_of_block, bytes_of(rows(block * rows_of_block, rows_of_block, has_courses)));
    summary.add(rows(block * rows_of_block, rows_of_block, true));
    ByteWriter bytes;
    summary.write(bytes);
    if (block == 1) journal.append(Kind::checkpoint, 0, 2 * rows_of_block, bytes.bytes());
  }
}

Group read_bytes(const std::string& bytes, bool is_outline = false) {
  const ReadAt read = [&](std::uint64_t offset, char* to, std::size_t n) { return offset > bytes.size() ? 0 : bytes.copy(to, n, offset); };
  return journal_group(read, bytes.size(), "out.h5.part", "interrupted", is_outline);
}

std::int64_t n_patients(const Group& g) { return std::get<std::int64_t>(g.attributes.at("n_patients")); }
double quantile(const Group& g, std::size_t i) { return std::get<Doubles>(find_array(*find_group(g, "quantiles"), "count")->data).at(i); }
std::int64_t known(const Group& g) { return std::get<Integers>(find_array(*find_group(g, "count"), "count")->data).at(0); }

}  // namespace

TEST_CASE("a tree of every type comes back from its bytes, and no other bytes are taken for it") {
  Group all = rows(3, 5, true);
  all.attributes = {{"text", std::string("\xc3\xa9\n")},   {"number", -0.0},         {"integer", std::int64_t{-7}},
                    {"numbers", Doubles{1, std::nan("")}}, {"integers", Integers{}}, {"texts", Texts{"", "b"}}};
  all.arrays.push_back({"single", "1", "", {}, {}, Doubles{3}});
  all.arrays.push_back({"none", "1", "", {"patient", "time"}, {0, 3}, Doubles{}});
  const std::string bytes = bytes_of(all);
  CHECK(bytes_of(group_of(bytes)) == bytes);
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_THROWS_AS(group_of(bytes.substr(0, n)), BytesError);
  CHECK_THROWS_AS(group_of(bytes + '\0'), BytesError);
  // a length that is not there takes no memory
  ByteWriter hostile;
  hostile.count(0);
  hostile.count(std::uint64_t{1} << 60);
  CHECK_THROWS_AS(group_of(hostile.bytes()), BytesError);
  Group nested;
  for (int i = 0; i < 70; ++i) nested = Group{{}, {}, {{"g", nested}}};
  CHECK_THROWS_AS(group_of(bytes_of(nested)), BytesError);
  Group twice;
  twice.groups = {{"g", {}}, {"g", {}}};
  CHECK_THROWS_AS(group_of(bytes_of(twice)), BytesError);
  Group uneven;
  uneven.arrays = {{"a", "", "", {"x"}, {3}, Doubles{1, 2}}};
  CHECK_THROWS_AS(group_of(bytes_of(uneven)), BytesError);
}

TEST_CASE("summaries go on from their bytes as if they had never stopped") {
  const std::vector<NamedArray> what{{"count", "cells", "cells", {}, {}, {}}};
  CourseSummary whole(what, n_times, {0.1, 0.5}), part(what, n_times, {0.1, 0.5});
  whole.add(rows(0, 50, true));
  whole.add(rows(50, 30, true));
  part.add(rows(0, 50, true));
  ByteWriter out;
  part.write(out);
  CourseSummary again(part.form(), n_times);
  ByteReader in(out.bytes());
  again.read(in);
  again.add(rows(50, 30, true));
  CHECK(bytes_of(Group{{}, {}, again.groups()}) == bytes_of(Group{{}, {}, whole.groups()}));
  for (std::size_t n = 0; n < out.bytes().size(); n += 7) {
    ByteReader cut(std::string_view(out.bytes()).substr(0, n));
    CHECK_THROWS_AS(CourseSummary(part.form(), n_times).read(cut), BytesError);
  }
  ByteReader other(out.bytes());
  CHECK_THROWS_AS(CourseSummary(part.form(), n_times + 1).read(other), BytesError);
}

TEST_CASE("a journal reads as the archive up to its last block") {
  for (const bool has_courses : {true, false}) {
    CAPTURE(has_courses);
    const Folder folder;
    write_journal(folder / "out.h5", has_courses);
    const Group found = archive::read(folder / "out.h5.part");
    Group expected = rows(0, 0, has_courses);
    append_rows(expected, rows(0, 3 * rows_of_block, has_courses));
    CHECK(bytes_of(Group{{*find_array(found, "patient")}, {}, {{"runs", *find_group(found, "runs")}}}) ==
          bytes_of(Group{{*find_array(expected, "patient")}, {}, expected.groups}));
    CHECK((find_array(found, "count") != nullptr) == has_courses);
    CHECK(n_patients(found) == 12);
    CHECK(std::get<std::string>(found.attributes.at("status")) == "interrupted");
    CHECK(std::get<std::string>(found.attributes.at("title")) == "patients");
    // of all where courses are kept, else of the last checkpoint; patient 5 has no value
    CHECK(known(found) == (has_courses ? 11 : 7));
    CHECK(quantile(found, n_times) == std::sqrt(has_courses ? 33.0 : 21.0));
    const Group outline = archive::read_outline(folder / "out.h5.part", 10);
    CHECK(n_patients(outline) == 12);
    CHECK(find_array(outline, "patient")->shape == std::vector<std::size_t>{12});
    CHECK(std::get<Integers>(find_array(outline, "patient")->data).empty());
    CHECK(find_group(outline, "quantiles")->arrays.size() == 2);
  }
}

TEST_CASE("a journal that is being written says so, and cannot be written twice") {
  const Folder folder;
  JournalFile journal(folder / "out.h5");
  journal.begin(header(true));
  journal.append(Kind::rows, 0, rows_of_block, bytes_of(rows(0, rows_of_block, true)));
  CHECK(std::get<std::string>(archive::read(folder / "out.h5.part").attributes.at("status")) == "running");
  CHECK(refusal_of([&] { JournalFile second(folder / "out.h5"); }).find("another program is writing") != std::string::npos);
  CHECK(refusal_of([&] { archive::write(folder / "out.h5", Group{}); }).find("another program is writing") != std::string::npos);
}

TEST_CASE("wherever a journal is cut or changed, what stands before is whole and nothing else is read") {
  const Folder folder;
  write_journal(folder / "out.h5", true);
  const std::string whole = bytes_of(folder / "out.h5.part");
  std::int64_t before = -1;
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    std::int64_t found = -1;
    try {
      found = n_patients(read_bytes(whole.substr(0, n)));
    } catch (const InputError&) {
    }
    CHECK(found >= before);
    CHECK((found <= 0 || found % static_cast<std::int64_t>(rows_of_block) == 0));
    before = found;
  }
  CHECK(before == 12);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    for (const bool is_outline : {false, true}) {
      try {
        const auto found = n_patients(read_bytes(changed, is_outline));
        if (!is_outline) CHECK(found < 12);
      } catch (const InputError&) {
      }
    }
  }
}

TEST_CASE("a journal goes on behind the records that are kept") {
  const Folder folder;
  write_journal(folder / "out.h5", false);
  const std::string whole = bytes_of(folder / "out.h5.part");
  std::ofstream(folder / "out.h5.part", std::ios::app | std::ios::binary) << "torn";
  {
    JournalFile journal(folder / "out.h5");
    REQUIRE(journal.index().records.size() == 5);
    CHECK(journal.index().n_patients == 12);
    journal.go_on(4);
    CHECK(journal.index().n_patients == 8);
    journal.append(Kind::rows, 8, 12, bytes_of(rows(8, rows_of_block, false)));
  }
  CHECK(bytes_of(folder / "out.h5.part") == whole);
}

TEST_CASE("a journal without patients goes, one with patients stays until it is removed") {
  const Folder folder;
  {
    JournalFile journal(folder / "out.h5");
    CHECK(!journal.index().is_journal);
  }
  CHECK(fs::is_empty(folder.path));
  {
    JournalFile journal(folder / "out.h5");
    journal.begin(header(true));
  }
  CHECK(fs::is_empty(folder.path));
  write_journal(folder / "out.h5", true);
  const std::string before = bytes_of(folder / "out.h5.part");
  CHECK(refusal_of([&] { archive::write(folder / "out.h5", Group{}); }).find("journal of an interrupted ensemble") != std::string::npos);
  CHECK(bytes_of(folder / "out.h5.part") == before);
  JournalFile(folder / "out.h5").remove();
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("a header that was never finished is no damage, one that was lost is") {
  const Folder folder;
  write_journal(folder / "out.h5", true);
  const std::string whole = bytes_of(folder / "out.h5.part");
  const auto is_damaged = [&](const std::string& bytes) {
    std::ofstream(folder / "out.h5.part", std::ios::binary) << bytes;
    return JournalFile(folder / "out.h5").is_damaged();
  };
  CHECK(!is_damaged(whole));
  for (const std::size_t n : {8, 12, 16, 20, 52, 60, 200}) CHECK(!is_damaged(whole.substr(0, n)));
  for (const std::size_t at : {9, 20, 200}) {
    std::string changed = whole;
    changed[at] ^= 1;
    CHECK(is_damaged(changed));
  }
  CHECK(!is_damaged("something else that is long enough to have been a journal with patients"));
}

TEST_CASE("a full disk leaves the blocks that were finished") {
  const Folder folder;
  write_journal(folder / "out.h5", true);
  const std::string before = bytes_of(folder / "out.h5.part");
  JournalFile journal(folder / "out.h5");
  journal.go_on(journal.index().records.size());
  const std::string more = bytes_of(rows(12, 1000, true));
  {
    const FileSizeLimit limit(before.size() + 500);
    CHECK(refusal_of([&] { journal.append(Kind::rows, 12, 1012, more); }).find("out.h5.part: cannot be written") != std::string::npos);
  }
  CHECK(bytes_of(folder / "out.h5.part") == before);
  CHECK(journal.index().n_patients == 12);
  journal.append(Kind::rows, 12, 1012, more);  // there is room again
  CHECK(n_patients(archive::read(folder / "out.h5.part")) == 1012);
}
