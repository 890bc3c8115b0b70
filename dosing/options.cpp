#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "nkpk/core/error.hpp"
#include "nkpk/dosing/regimen.hpp"

// Arms, levels and patches: one choice per group, applied to the table of a regimen file before it is parsed.

namespace nkpk {
namespace {

constexpr std::size_t most_groups = 50;  // of all whose combinations are asked for

std::vector<std::string> names_of(const std::vector<OptionGroup>& groups) {
  std::vector<std::string> names;
  for (const auto& group : groups)
    for (const auto& choice : group.choices) names.push_back(choice.name);
  return names;
}

const OptionGroup::Choice* find_choice(const OptionGroup& group, const std::string& name) {
  for (const auto& choice : group.choices)
    if (choice.name == name) return &choice;
  return nullptr;
}

std::vector<std::string> split_dots(const std::string& key) {
  std::vector<std::string> parts{""};
  for (const char c : key) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::vector<std::string> ids_of(const Node& doses) {
  std::vector<std::string> ids;
  for (const Node& dose : doses.items)
    if (const Node* id = dose.find("id")) ids.push_back(id->text);
  return ids;
}

// Ids of all doses that some arm may have, each once.
std::vector<std::string> ids_of_all_arms(const Node& root, const std::vector<OptionGroup>& groups) {
  std::vector<std::string> ids;
  const auto collect = [&ids](const Node* doses) {
    if (!doses) return;
    for (const Node& dose : doses->items)
      if (const Node* id = dose.find("id"); id && std::find(ids.begin(), ids.end(), id->text) == ids.end()) ids.push_back(id->text);
  };
  collect(root.find("dose"));
  for (const auto& group : groups)
    for (const auto& choice : group.choices) collect(choice.table.find("dose"));
  return ids;
}

// Conditions and reports may name a dose of another arm, but not one that no arm has.
void check_references(const Node& root, const std::vector<OptionGroup>& groups) {
  const auto ids = ids_of_all_arms(root, groups);
  const auto known = [&ids](const std::string& id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  if (const Node* conditions = root.find("condition"))
    for (const Node& condition : conditions->items)
      for (const char* key : {"before", "after"})
        if (const Node* list = condition.find(key))
          for (const Node& id : list->items)
            if (id.kind == Node::Kind::text && !known(id.text)) throw unknown_name(id.where(std::string("condition.") + key), "dose", id.text, ids);
  if (const Node* reports = root.find("report"))
    for (const Node& report : reports->items)
      if (const Node* infusion = report.find("infusion"); infusion && infusion->kind == Node::Kind::text && !known(infusion->text)) {
        const auto dash = infusion->text.rfind('-');  // "nk-2": the second infusion of the dose "nk"
        if (dash == std::string::npos || !known(infusion->text.substr(0, dash))) throw unknown_name(infusion->where("report.infusion"), "dose", infusion->text, ids);
      }
}

// giving one way of saying a thing takes back the other
void drop_alternatives(Node& dose, const std::string& key) {
  if (key == "amount") dose.erase("course"), dose.erase("fraction");
  if (key == "course") dose.erase("amount");
  if (key == "days") dose.erase("start"), dose.erase("every"), dose.erase("count");
  if (key == "start" || key == "every" || key == "count") dose.erase("days");
}

void apply(Node& root, const Patch& patch) {
  const auto parts = split_dots(patch.key);
  // --set says the key itself
  const std::string place = patch.value.line > 0 ? patch.value.where(patch.key) : patch.value.where();
  const std::string& head = parts[0];
  if (head == "dose") {
    if (parts.size() != 3) throw InputError(place, fmt::format("cannot read \"{}\"", patch.key), "expected dose.ID.KEY");
    Node* doses = root.find("dose");
    Node* dose = nullptr;
    if (doses)
      for (Node& item : doses->items)
        if (const Node* id = item.find("id"); id && id->text == parts[1]) dose = &item;
    if (!dose) throw unknown_name(place, "dose", parts[1], doses ? ids_of(*doses) : std::vector<std::string>{});
    if (parts[2] == "id" || std::find(dose_keys().begin(), dose_keys().end(), parts[2]) == dose_keys().end())
      throw unknown_name(place, "key of a dose", parts[2], dose_keys());
    drop_alternatives(*dose, parts[2]);
    dose->set(parts[2], patch.value);
    return;
  }
  if (head == "courses" || head == "limits" || head == "leukocytes") {
    Node* table = root.find(head);
    if (parts.size() != 2) throw InputError(place, fmt::format("cannot read \"{}\"", patch.key), fmt::format("expected {}.NAME", head));
    std::vector<std::string> known;
    if (table)
      for (const auto& [name, value] : table->entries) known.push_back(name);
    if (!table || !table->find(parts[1])) throw unknown_name(place, "entry of " + head, parts[1], known);
    table->set(parts[1], patch.value);
    return;
  }
  if (head == "patient" && parts.size() == 2) {
    Node* table = root.find("patient_patches");
    if (!table) {
      root.set("patient_patches", Node{});
      table = root.find("patient_patches");
      table->file = patch.value.file;
    }
    table->set(parts[1], patch.value);
    return;
  }
  if (parts.size() == 1 && is_regimen_key(head)) {
    root.set(head, patch.value);
    return;
  }
  throw InputError(place, fmt::format("cannot set \"{}\"", patch.key),
                   "known: dose.ID.KEY, courses.NAME, patient.KEY, limits.KEY, donor, product, patient, horizon, output_step");
}

}  // namespace

const std::vector<std::string>& dose_keys() {
  static const std::vector<std::string> keys{"id", "drug", "route", "amount", "course", "fraction", "days", "start", "every", "count",
                                             "times_of_day", "duration", "product", "f_NK", "f_T", "viability", "myeloablative",
                                             "nk_dose", "cd34_dose", "cd3_dose", "why", "source", "assumed"};
  return keys;
}

bool is_regimen_key(const std::string& key) {
  const std::string head = split_dots(key)[0];
  if (head == "product") return key == "product";  // product.pmax is a parameter
  for (const char* known : {"dose", "courses", "patient", "limits", "donor", "horizon", "output_step", "leukocytes"})
    if (head == known) return true;
  return false;
}

std::vector<OptionGroup> option_groups(const TomlFile& file) {
  std::vector<OptionGroup> groups;
  const Node* options = file.root.find("option");
  if (!options) return groups;
  expect_kind(*options, Node::Kind::list, options->where("option"));
  for (const Node& item : options->items) {
    TableReader table(item, "option");
    OptionGroup group;
    group.name = table.text("group");
    expect_plain_name(table.where("group"), "group", group.name);
    group.default_choice = table.text("default");
    table.optional("title");
    for (const auto& [name, choice] : table.required("choice", Node::Kind::table).entries) {
      expect_plain_name(choice.where("option." + group.name), "choice", name);
      TableReader reader(choice, "option." + group.name + "." + name);
      group.choices.push_back({name, reader.text_or("title", name), choice});
      reader.optional("source");
      if (const Node* remove = reader.optional("remove", Node::Kind::list))
        for (const Node& id : remove->items) expect_kind(id, Node::Kind::text, id.where(reader.path("remove")));
      reader.optional("set", Node::Kind::table);
      reader.optional("dose", Node::Kind::list);
      reader.finish();
    }
    table.finish();
    if (!find_choice(group, group.default_choice)) throw unknown_name(table.where("default"), "choice", group.default_choice, names_of({group}));
    for (const auto& other : groups)
      if (other.name == group.name) throw InputError(table.where("group"), fmt::format("group \"{}\" is declared twice", group.name));
    groups.push_back(std::move(group));
  }
  return groups;
}

Choices select_choices(const std::vector<OptionGroup>& groups, std::span<const std::string> arms,
                       const std::optional<std::string>& level, const std::string& where) {
  std::vector<std::string> chosen(groups.size());
  const auto choose = [&](std::size_t g, const std::string& name) {
    if (!chosen[g].empty() && chosen[g] != name)
      throw InputError(where, fmt::format("\"{}\" and \"{}\" are both choices of {}", chosen[g], name, groups[g].name), "give one of them");
    chosen[g] = name;
  };
  if (level) {
    const auto group = std::find_if(groups.begin(), groups.end(), [](const OptionGroup& g) { return g.name == "level"; });
    if (group == groups.end()) throw InputError(where, fmt::format("there are no levels, \"{}\" was given", *level), "use --arm for the choices of this regimen");
    if (!find_choice(*group, *level)) throw unknown_name(where, "level", *level, names_of({*group}));
    choose(static_cast<std::size_t>(group - groups.begin()), *level);
  }
  for (const std::string& arm : arms) {
    const auto equals = arm.find('=');
    const std::string group_name = equals == std::string::npos ? "" : arm.substr(0, equals);
    const std::string choice = equals == std::string::npos ? arm : arm.substr(equals + 1);
    if (!group_name.empty() && std::none_of(groups.begin(), groups.end(), [&](const OptionGroup& g) { return g.name == group_name; })) {
      std::vector<std::string> known;
      for (const auto& g : groups) known.push_back(g.name);
      throw unknown_name(where, "group", group_name, known);
    }
    std::vector<std::size_t> hits;
    for (std::size_t g = 0; g < groups.size(); ++g)
      if ((group_name.empty() || groups[g].name == group_name) && find_choice(groups[g], choice)) hits.push_back(g);
    if (hits.empty()) {
      if (groups.empty()) throw InputError(where, fmt::format("there are no arms, \"{}\" was given", arm));
      throw unknown_name(where, "arm", arm, names_of(groups));
    }
    if (hits.size() > 1) throw InputError(where, fmt::format("arm \"{}\" stands in several groups", choice), fmt::format("write {}={}", groups[hits[0]].name, choice));
    choose(hits[0], choice);
  }
  Choices choices;
  for (std::size_t g = 0; g < groups.size(); ++g) choices.emplace_back(groups[g].name, chosen[g].empty() ? groups[g].default_choice : chosen[g]);
  return choices;
}

std::vector<Choices> all_choices(const std::vector<OptionGroup>& groups) {
  constexpr std::size_t most = 10000;
  std::vector<Choices> all{{}};
  for (const auto& group : groups) {
    if (all.size() * group.choices.size() > most) throw InputError("option." + group.name, fmt::format("more than {} combinations of choices", most), "choose arms by name instead");
    if (all.front().size() == most_groups) throw InputError("option." + group.name, fmt::format("more than {} groups of choices", most_groups), "choose arms by name instead");
    std::vector<Choices> longer;
    for (const auto& start : all)
      for (const auto& choice : group.choices) {
        longer.push_back(start);
        longer.back().emplace_back(group.name, choice.name);
      }
    all = std::move(longer);
  }
  return all;
}

std::string label_of(const Choices& choices) {
  std::string label;
  for (const auto& [group, choice] : choices) {
    if (!label.empty()) label += "_";
    label += group == "level" ? "level-" + choice : choice;
  }
  return label.empty() ? "default" : label;
}

Patch parse_patch(const std::string& key_and_value, const std::string& full_where) {
  // every value keeps its place, which mostly is the text itself
  constexpr std::size_t longest_place = 200;
  const std::string where = full_where.size() <= longest_place ? full_where : full_where.substr(0, longest_place) + "...";
  const auto equals = key_and_value.find('=');
  if (equals == std::string::npos || equals == 0) throw InputError(where, fmt::format("cannot read \"{}\"", key_and_value), "expected KEY=VALUE");
  Patch patch;
  patch.key = key_and_value.substr(0, equals);
  while (!patch.key.empty() && patch.key.back() == ' ') patch.key.pop_back();
  std::string value = key_and_value.substr(equals + 1);
  while (!value.empty() && value.front() == ' ') value.erase(value.begin());
  try {
    const TomlFile file = parse_toml("format = 1\nvalue = " + value, where);
    // a second line would say more than VALUE
    patch.value = file.root.entries.size() == 2 ? *file.root.find("value") : text_node(value, where);
  } catch (const InputError&) {
    patch.value = text_node(value, where);
  }
  expect_plain_text(patch.key, where);
  expect_plain_text(patch.value.text, where);
  const auto relocate = [&where](auto&& self, Node& node) -> void {
    node.line = 0;
    node.file = where;
    for (Node& item : node.items) self(self, item);
    for (auto& [name, entry] : node.entries) self(self, entry);
  };
  relocate(relocate, patch.value);
  return patch;
}

Node resolve(const TomlFile& file, const std::vector<OptionGroup>& groups, const Choices& choices, std::span<const Patch> patches) {
  Node root = file.root;
  root.erase("option");
  if (const Node* ours = root.find("patient_patches")) throw unknown_name(ours->where("patient_patches"), "key", "patient_patches", {"patient"});
  check_references(root, groups);
  if (!root.find("dose")) {
    Node none;
    none.kind = Node::Kind::list;
    none.file = file.name;
    root.set("dose", none);
  }
  expect_kind(*root.find("dose"), Node::Kind::list, root.where("dose"));
  for (const auto& [group_name, choice_name] : choices) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const OptionGroup& g) { return g.name == group_name; });
    const Node& table = find_choice(*group, choice_name)->table;
    Node& doses = *root.find("dose");
    if (const Node* remove = table.find("remove")) {
      for (const Node& id : remove->items) {
        const auto removed = std::erase_if(doses.items, [&](const Node& dose) { return dose.find("id") && dose.find("id")->text == id.text; });
        if (removed > 0) continue;
        throw InputError(id.where("remove"), fmt::format("no dose \"{}\" to remove", id.text), fmt::format("known: {}", fmt::join(ids_of(doses), ", ")));
      }
    }
    if (const Node* added = table.find("dose")) doses.items.insert(doses.items.end(), added->items.begin(), added->items.end());
    if (const Node* set = table.find("set"))
      for (const auto& [key, value] : set->entries) apply(root, {key, value});
  }
  for (const Patch& patch : patches) apply(root, patch);
  return root;
}

}  // namespace nkpk
