// What stands on the command line: a first line with the names of a regimen, a patient, an arm, a level, a mechanism, days and
// output step, with | between; then one KEY=VALUE of --set a line.
#include <charconv>

#include "scenarios.hpp"

using namespace nkpk;

namespace {

void put_if(std::optional<std::string>& target, std::string_view text) {
  if (!text.empty()) target = text;
}

// what the command line takes as a number
std::optional<double> number_of(std::string_view text) {
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  std::string_view names = fuzz::take_until(rest, '\n');
  Request request;
  request.regimen = fuzz::take_until(names, '|');
  if (request.regimen.find('/') != std::string::npos) return -1;  // not files of this machine
  put_if(request.patient, fuzz::take_until(names, '|'));
  if (request.patient && request.patient->find('/') != std::string::npos) return -1;
  if (const auto arm = fuzz::take_until(names, '|'); !arm.empty()) request.arms.emplace_back(arm);
  put_if(request.level, fuzz::take_until(names, '|'));
  if (const auto without = fuzz::take_until(names, '|'); !without.empty()) request.without.emplace_back(without);
  request.horizon_d = number_of(fuzz::take_until(names, '|'));
  request.output_step_d = number_of(fuzz::take_until(names, '|'));
  while (!rest.empty()) request.sets.emplace_back(fuzz::take_until(rest, '\n'));
  fuzz::accepts(size, [&] { fuzz::expect_sound(make_scenario(fuzz::shipped(), request)); });
  return 0;
}
