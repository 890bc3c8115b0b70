#include "nkpk/core/error.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace nkpk;

TEST_CASE("an input error reads place, problem, hint") {
  CHECK(std::string(InputError("f:1", "is wrong", "try this").what()) == "f:1: is wrong; try this");
  CHECK(std::string(InputError("", "is wrong").what()) == "is wrong");
}

TEST_CASE("a message is one line of UTF-8 and has an end, whatever stands in the file") {
  CHECK(std::string(InputError("", "a\nb\x01\x7f").what()) == "a\\x0ab\\x01\\x7f");
  CHECK(std::string(InputError("", "5 \xC2\xB5g, \xE7\xB4\xB0, \xF0\x9F\x98\x80").what()) == "5 \xC2\xB5g, \xE7\xB4\xB0, \xF0\x9F\x98\x80");
  // no character; cut off; too long a writing of "/"; half of a pair; beyond the last; a control character of a terminal
  for (const std::string bad : {"\xFF", "\xC2", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC2\x9B"}) {
    CAPTURE(bad);
    CHECK(printable_character(bad) == 0);
    CHECK(std::string(InputError("", bad).what()).starts_with("\\x"));
  }
  const std::string big(1'000'000, 'x');
  CHECK(std::string(InputError(big, big, big).what()).size() < 3100);
}

TEST_CASE("the nearest name is the one with the fewest wrong letters") {
  CHECK(nearest_name("cyclophosphamid", {"fludarabine", "cyclophosphamide"}) == "cyclophosphamide");
  CHECK(nearest_name("sankomma", {"sysu-ucb", "sankoma"}) == "sankoma");
}

TEST_CASE("the other case is nearer than another letter") {
  CHECK(nearest_name("M", {"d", "m", "y"}) == "m");
  CHECK(nearest_name("Il2", {"il15", "il2"}) == "il2");
}

TEST_CASE("the last part of a dotted name counts as a name") {
  CHECK(nearest_name("kel", {"host_nk.d0", "il15.kel"}) == "il15.kel");
}

TEST_CASE("a name that is nowhere near is not guessed") {
  CHECK(nearest_name("x", {"d", "h", "min"}).empty());
  CHECK(nearest_name("rk4", {"dopri5", "fehlberg78"}).empty());
  CHECK(nearest_name(std::string(1'000'000, 'a'), {"dopri5"}).empty());
  CHECK(nearest_name("dopri5", {}).empty());
}

TEST_CASE("an unknown name comes with the nearest and, where there are few, with all") {
  CHECK(std::string(unknown_name("f:1", "arm", "il3", {"il2", "none"}).what()) == "f:1: unknown arm \"il3\"; did you mean \"il2\"? known: il2, none");
  const std::vector<std::string> many(20, "abcdefgh");
  CHECK(std::string(unknown_name("", "arm", "zz", many).what()) == "unknown arm \"zz\"");
}

TEST_CASE("a plain name may stand in a file name") {
  for (const char* good : {"sankoma", "rogachev-hsct", "1e9", "2.5e7", "a_b", "low+high"}) CHECK_NOTHROW(expect_plain_name("", "arm", good));
  for (const char* bad : {"", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "a\nb", "a=b", "\xC3\xA9"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(expect_plain_name("", "arm", bad), InputError);
  }
  CHECK_THROWS_AS(expect_plain_name("", "arm", std::string(101, 'a')), InputError);
}
