#include "dosing_problem.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

const std::string base = drug("a", "amount = '1 mg'\ndays = [0]") + drug("b", "amount = '2 mg'\ndays = [1]");
const std::string arms = R"(
[[option]]
group = 'arm'
default = 'both'
[option.choice.both]
title = 'both drugs'
[option.choice.one]
remove = ['b']
set = { 'dose.a.amount' = '5 mg' }
[option.choice.more]
[[option.choice.more.dose]]
id = 'c'
drug = 'drug'
route = 'po'
amount = '3 mg'
days = [2]
)";
const std::string levels = R"(
[[option]]
group = 'level'
default = '1'
[option.choice.1]
[option.choice.2]
set = { 'dose.a.amount' = '10 mg' }
)";

std::vector<OptionGroup> groups_of(const std::string& text) { return option_groups(file_of(text)); }
std::string label(const std::string& text, const std::vector<std::string>& names, std::optional<std::string> level = {}) {
  return label_of(select_choices(groups_of(text), names, level, "f"));
}

}  // namespace

TEST_CASE("without choices every group takes its default") {
  CHECK(label(base + arms + levels, {}) == "both_level-1");
  CHECK(label(base, {}) == "default");
}

TEST_CASE("a choice is found by its name in any group, or by group and name") {
  CHECK(label(base + arms + levels, {"one"}) == "one_level-1");
  CHECK(label(base + arms + levels, {"2", "more"}) == "more_level-2");
  CHECK(label(base + arms + levels, {"arm=one"}, "2") == "one_level-2");
  CHECK(label(base + arms + levels, {"one", "one"}) == "one_level-1");
}

TEST_CASE("names that do not exist, clash or are ambiguous are refused") {
  const std::string two = base + arms + levels;
  CHECK(holds(refusal_of([&] { label(two, {"on"}); }), "unknown arm \"on\"; did you mean \"one\"?"));
  CHECK(holds(refusal_of([&] { label(two, {"one", "more"}); }), "\"one\" and \"more\" are both choices of arm"));
  CHECK(holds(refusal_of([&] { label(two, {"2"}, "1"); }), "are both choices of level"));
  CHECK(holds(refusal_of([&] { label(two, {}, "3"); }), "unknown level \"3\""));
  CHECK(holds(refusal_of([&] { label(base + arms, {}, "1"); }), "there are no levels, \"1\" was given"));
  CHECK(holds(refusal_of([&] { label(base, {"one"}); }), "there are no arms, \"one\" was given"));
  CHECK(holds(refusal_of([&] { label(two, {"arms=one"}); }), "unknown group \"arms\"; did you mean \"arm\"?"));
  const std::string again = "[[option]]\ngroup = 'other'\ndefault = 'one'\n[option.choice.one]\n";
  CHECK(holds(refusal_of([&] { label(base + arms + again, {"one"}); }), "arm \"one\" stands in several groups; write arm=one"));
  CHECK(label(base + arms + again, {"other=one"}) == "both_one");
}

TEST_CASE("all combinations are spanned once, in the order of the file") {
  std::string all;
  for (const auto& choices : all_choices(groups_of(base + arms + levels))) all += label_of(choices) + " ";
  CHECK(all == "both_level-1 both_level-2 one_level-1 one_level-2 more_level-1 more_level-2 ");
  CHECK(all_choices({}).size() == 1);
}

TEST_CASE("a choice removes, sets and adds doses") {
  const Regimen one = regimen_of(base + arms, {"one"});
  REQUIRE(one.doses.size() == 1);
  CHECK(one.doses[0].amount->in("mg") == 5);
  const Regimen more = regimen_of(base + arms, {"more"});
  REQUIRE(more.doses.size() == 3);
  CHECK(more.doses[2].id == "c");
}

TEST_CASE("later groups win over earlier ones, and patches over all") {
  CHECK(regimen_of(base + arms + levels, {"one", "2"}).doses[0].amount->in("mg") == 10);
  CHECK(regimen_of(base + arms + levels, {"one", "2"}, {"dose.a.amount=7 mg"}).doses[0].amount->in("mg") == 7);
}

TEST_CASE("giving one way of saying a thing takes back the other") {
  const std::string course = "[courses]\nk = '8 mg'\n" + drug("a", "course = 'k'\nfraction = '1/2'\ndays = [0, 1]");
  CHECK(regimen_of(course, {}, {"dose.a.amount=7 mg"}).doses[0].share == 1);
  CHECK(regimen_of(course, {}, {"dose.a.start=3 d"}).doses[0].times_d == std::vector<double>{3});
  CHECK(regimen_of(drug("a", "amount = '1 mg'\nstart = '1 d'\nevery = '1 d'\ncount = 3"), {}, {"dose.a.days=[4, 5]"}).doses[0].times_d ==
        std::vector<double>{4, 5});
}

TEST_CASE("a patch that hits nothing is refused") {
  CHECK(refusal(base, {}, {"dose.x.amount=1 mg"}).starts_with("--set dose.x.amount=1 mg: unknown dose \"x\""));
  CHECK(holds(refusal(base, {}, {"dose.a.amont=1 mg"}), "unknown key of a dose \"amont\"; did you mean \"amount\"?"));
  CHECK(holds(refusal(base, {}, {"dose.a=1 mg"}), "expected dose.ID.KEY"));
  CHECK(holds(refusal(base, {}, {"dose.a.id=b"}), "unknown key of a dose \"id\""));
  CHECK(holds(refusal(base, {}, {"courses.k=1 mg"}), "unknown entry of courses \"k\""));
  CHECK(holds(refusal(base, {}, {"limits.x=1"}), "unknown entry of limits \"x\""));
  CHECK(holds(refusal(base, {}, {"nonsense=1"}), "cannot set \"nonsense\""));
}

TEST_CASE("a value given as text is TOML where it is TOML, and text otherwise") {
  CHECK(parse_patch("a = [0, 2]", "").value.items.size() == 2);
  CHECK(parse_patch("a=0.5", "").value.number == 0.5);
  CHECK(parse_patch("a=true", "").value.flag);
  CHECK(parse_patch("a=2 d", "").value.text == "2 d");
  CHECK(parse_patch("a=\"2 d\"", "").value.text == "2 d");
  CHECK(parse_patch("a=x=y", "").value.text == "x=y");
  CHECK(parse_patch("a=nan", "").value.text == "nan");
  CHECK(parse_patch("a=1\nformat2 = 2", "").value.kind == Node::Kind::text);
  CHECK(holds(refusal_of([] { parse_patch("a", "w"); }), "w: cannot read \"a\"; expected KEY=VALUE"));
  CHECK(holds(refusal_of([] { parse_patch("=1", "w"); }), "expected KEY=VALUE"));
}

TEST_CASE("a long value does not stand in the place of each of its parts, and no control character gets in") {
  std::string days = "1";
  for (int i = 2; i < 1000; ++i) days += "," + std::to_string(i);
  const std::string text = "dose.nk.days=[" + days + "]";
  const Patch patch = parse_patch(text, "--set " + text);
  REQUIRE(patch.value.items.size() == 999);
  CHECK(patch.value.items[0].file.size() < 300);
  CHECK(holds(refusal_of([] { parse_patch("dose.nk.why=a\x01z", "w"); }), "w: holds a control character"));
  CHECK(holds(refusal_of([] { parse_patch("dose.nk.why=\xFF", "w"); }), "w: holds a control character"));
}

TEST_CASE("options that say what they cannot mean are refused") {
  const auto refused = [&](const std::string& text) { return refusal_of([&] { groups_of(text); }); };
  CHECK(holds(refused("[[option]]\ngroup = 'g'\ndefault = 'x'\n[option.choice.y]\n"), "unknown choice \"x\""));
  CHECK(holds(refused("[[option]]\ngroup = 'g'\ndefault = 'y'\n[option.choice.y]\nsets = {}\n"), "did you mean \"set\"?"));
  CHECK(holds(refused("[[option]]\ngroup = 'g'\ndefault = 'y'\n"), "no key \"choice\""));
  CHECK(holds(refused("[[option]]\ngroup = 'g'\ndefault = '../y'\n[option.choice.'../y']\n"), "cannot be the name of a choice"));
  CHECK(holds(refused("[[option]]\ngroup = 'g/h'\ndefault = 'y'\n[option.choice.y]\n"), "cannot be the name of a group"));
  CHECK(holds(refused("[[option]]\ngroup = 'g'\ndefault = 'y'\n[option.choice.y]\nremove = [1]\n"), "is a number; expected a text"));
  CHECK(holds(refused(levels + levels), "group \"level\" is declared twice"));
  CHECK(holds(refusal(base + "[[option]]\ngroup = 'g'\ndefault = 'y'\n[option.choice.y]\nremove = ['z']\n"), "no dose \"z\" to remove; known: a, b"));
  std::string many;
  for (int i = 0; i < 70; ++i) many += "[[option]]\ngroup = 'g" + std::to_string(i) + "'\ndefault = 'x'\n[option.choice.x]\n[option.choice.y]\n";
  CHECK(holds(refusal_of([&] { all_choices(groups_of(many)); }), "more than 10000 combinations"));
}

TEST_CASE("conditions and reports name doses of some arm") {
  const std::string condition = "[[condition]]\nbefore = ['c']\nafter = ['a']\ntext = 't'\n";
  CHECK(regimen_of(base + arms + condition, {"more"}).conditions[0].before.size() == 1);
  CHECK(regimen_of(base + arms + condition, {"both"}).conditions[0].before.empty());
  CHECK(holds(refusal(base + condition), "condition.before: unknown dose \"c\""));
  CHECK(holds(refusal(base + "[[report]]\nname = 'n'\ninfusion = 'q'\nday = 1\n"), "report.infusion: unknown dose \"q\""));
  CHECK_NOTHROW(regimen_of(base + "[[report]]\nname = 'n'\ninfusion = 'a-2'\nday = 1\n"));
}
