// Every list of constants and signals is written a second time, as its visit: here the two are held against each other.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "nkpk/core/units.hpp"
#include "nkpk/model/nk_model.hpp"

using namespace nkpk;

namespace {

// The doubles of an object that its visit does not meet in the order of its members, up to `end` (the object's own end if null).
template <class Struct>
void check_meets_every_double(const Struct& object, const void* end = nullptr) {
  const double* next = reinterpret_cast<const double*>(&object);
  std::set<std::string> names;
  Struct::visit(object, [&](std::string_view name, std::string_view unit, const auto&... rest) {
    const double& value = std::get<sizeof...(rest) - 1>(std::tie(rest...));
    CAPTURE(name);
    CHECK(&value == next++);
    CHECK(names.emplace(name).second);
    CHECK_NOTHROW(parse_unit(unit, "visit"));
  });
  CHECK(static_cast<const void*>(next) == (end ? end : static_cast<const void*>(&object + 1)));
}

}  // namespace

TEST_CASE("the visit of constants and of signals meets every member once, in order, with a unit") {
  check_meets_every_double(Body<double>{});
  check_meets_every_double(CytokineSignal::Constants<double>{});
  check_meets_every_double(HostNk::Constants<double>{});
  check_meets_every_double(InfusedNk::CohortConstants<double>{});
  check_meets_every_double(Rejection::Constants<double>{});
  check_meets_every_double(Abatacept::Constants<double>{});
  check_meets_every_double(Il15::Constants<double>{});
  check_meets_every_double(Il2::Constants<double>{});
  check_meets_every_double(Fludarabine::Constants<double>{});
  check_meets_every_double(Cyclophosphamide::Constants<double>{});
  check_meets_every_double(Thiotepa::Constants<double>{});
  check_meets_every_double(Treosulfan::Constants<double>{});
  check_meets_every_double(Busulfan::Constants<double>{});
  check_meets_every_double(Signals<double>{});
  const Irradiation::Constants<double> irradiation{};
  check_meets_every_double(irradiation, &irradiation.linear_quadratic);
}

TEST_CASE("the visit of all constants meets every number once, under its path, but the copies of nk") {
  Constants<double> c;
  c.infused_nk.cohorts.resize(2);
  std::set<std::string> names;
  std::set<const double*> met;
  Constants<double>::visit(c, [&](std::string_view name, const char* unit, double& value) {
    CAPTURE(name);
    CHECK(names.emplace(name).second);
    CHECK(met.insert(&value).second);
    CHECK_NOTHROW(parse_unit(unit, "visit"));
    value = 1;
  });
  const std::size_t own = sizeof c.body + sizeof c.graft + sizeof c.t_cells + sizeof c.treg + 4 * sizeof(double) + sizeof c.nk +
                          sizeof c.host_nk + (sizeof c.infused_nk - sizeof c.infused_nk.nk - sizeof c.infused_nk.cohorts) + sizeof c.rejection +
                          sizeof c.abatacept + sizeof c.il15 + sizeof c.il2 + sizeof c.fludarabine + sizeof c.cyclophosphamide +
                          sizeof c.thiotepa + sizeof c.treosulfan + sizeof c.busulfan + sizeof c.irradiation.p;
  CHECK(met.size() == own / sizeof(double));
  // no member of Constants stands outside the sum above
  CHECK(sizeof c == sizeof c.modules + own + sizeof c.infused_nk.nk + sizeof c.infused_nk.cohorts + sizeof c.irradiation - sizeof c.irradiation.p);
  for (const char* name : {"body.size_V", "T0", "host_nk.kBT", "infused_nk.krej_chi", "graft.f34", "fludarabine.kill.s_T", "irradiation.p.D0_T"})
    CHECK(names.contains(name));

  std::vector<double*> pmax;
  for (std::size_t k = 0; k < 2; ++k)
    Constants<double>::visit_cohort(c, k, [&](std::string_view name, const char*, double& value) {
      if (name == "pmax") pmax.push_back(&value);
    });
  CHECK(pmax == std::vector<double*>{&c.infused_nk.cohorts[0].pmax, &c.infused_nk.cohorts[1].pmax});
}

TEST_CASE("what a visit of the model calls a member is the name of that member") {
  const std::regex entry(R"re(\bv\("(\w+)", [^;]*, [bckps]\.(\w+)\);)re");
  std::size_t n = 0;
  for (const auto& file : std::filesystem::directory_iterator(NKPK_SOURCE_DIR "/model")) {
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator i(source.begin(), source.end(), entry), none; i != none; ++i, ++n) {
      CAPTURE(file.path().filename().string());
      CHECK((*i)[1].str() == (*i)[2].str());
    }
  }
  CHECK(n > 250);  // a pattern that finds nothing would pass
}

TEST_CASE("signals of the first rank and of the second are all signals, and derive writes the second only") {
  Signals<double> s;
  std::vector<std::string> split, all;
  const auto into = [](std::vector<std::string>& names) {
    return [&names](std::string_view name, auto, auto, const double&) { names.emplace_back(name); };
  };
  Signals<double>::visit_first_rank(s, into(split));
  const std::size_t n_first = split.size();
  Signals<double>::visit_second_rank(s, into(split));
  Signals<double>::visit(s, into(all));
  CHECK(all == split);
  double i = 1;
  Signals<double>::visit(s, [&](auto, auto, auto, double& value) { value = i++; });
  CytokineSignal::Constants<double> c;
  CytokineSignal::Constants<double>::visit(c, [&](auto, auto, double& value) { value = 0.3 * i++; });
  CytokineSignal::derive(c, Windows{}, s);
  std::size_t at = 0;
  Signals<double>::visit(s, [&](std::string_view name, auto, auto, double& value) {
    CAPTURE(name);
    ++at;
    CHECK((value == static_cast<double>(at)) == (at <= n_first));
  });
}
