#include <doctest/doctest.h>

#include "nkpk/core/isa.hpp"
#include "support/refusal.hpp"

using namespace nkpk;
using test::refusal_of;

TEST_CASE("an instruction set is found by the name it prints") {
  CHECK(isa_names() == std::vector<std::string>{"baseline", "avx2", "avx512"});
  for (const auto& name : isa_names()) CHECK(to_string(isa_from(name)) == name);
}

TEST_CASE("an unknown instruction set is refused with the known names") {
  CHECK(refusal_of([] { isa_from("avx-512"); }) == "isa: unknown instruction set \"avx-512\"; did you mean \"avx512\"? known: baseline, avx2, avx512");
}

TEST_CASE("an instruction set that does not run here is refused with those that do") {
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) CHECK(refusal_of([&] { expect_isa("x", isa, Isa::avx512); }) == "no refusal");
  CHECK(refusal_of([] { expect_isa("x", Isa::avx512, Isa::avx2); }) ==
        "x: avx512 does not run here: this build or this processor lacks it; expected baseline or avx2");
  CHECK(refusal_of([] { expect_isa("x", Isa::avx2, Isa::baseline); }) ==
        "x: avx2 does not run here: this build or this processor lacks it; expected baseline");
}
