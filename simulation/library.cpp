#include "nkpk/simulation/library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "nkpk/core/error.hpp"
#include "nkpk/model/dose_effects.hpp"

namespace nkpk {
namespace fs = std::filesystem;
namespace {

// Without an exception where a folder may not be read or a name is too long.
bool holds_model(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "model.toml", error);
}

std::optional<fs::path> upwards_from(fs::path place) {
  std::error_code error;
  place = fs::weakly_canonical(place, error);
  for (; !place.empty(); place = place.parent_path()) {
    for (const char* relative : {"params", "share/nkpk/params"})
      if (fs::exists(place / relative / "model.toml", error)) return place / relative;
    if (place == place.parent_path()) break;
  }
  return std::nullopt;
}

fs::path this_binary() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&this_binary), &info) && info.dli_fname && std::string_view(info.dli_fname).find('/') != std::string_view::npos)
    return info.dli_fname;
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);  // a program found through PATH
}

fs::path find_folder() {
  if (const char* set = std::getenv("NKPK_PARAMS"); set && *set) {
    if (!holds_model(set)) throw InputError("NKPK_PARAMS", fmt::format("no model.toml in {}", set), "expected a folder of parameter files");
    return set;
  }
  if (const auto found = upwards_from(this_binary().parent_path())) return *found;
  throw InputError("", "the parameter files were not found", "set NKPK_PARAMS or give --params FOLDER");
}

ParameterRecord read_record(const Node& node, const std::string& name, const std::string& unit, Domain domain) {
  TableReader table(node, name);
  ParameterRecord r;
  r.name = name;
  r.unit = unit;
  r.domain = domain;
  r.where = node.where(name);
  r.title = table.text("name");
  const Quantity value = table.required_quantity("value");
  r.text = value.text;
  r.value = value.in(unit);
  if (!inside(domain, r.value)) throw InputError(value.where, fmt::format("\"{}\" is out of range", value.text), expected(domain));
  // bounds stand in the unit of the value as written
  const double factor = value.unit.factor / parse_unit(unit, "").factor;
  if (const Node* bounds = table.optional("bounds", Node::Kind::list)) {
    if (bounds->items.size() != 2 || bounds->items[0].kind != Node::Kind::number || bounds->items[1].kind != Node::Kind::number ||
        !(bounds->items[0].number < bounds->items[1].number))
      throw InputError(table.where("bounds"), "is not [lower, upper]");
    r.lower = bounds->items[0].number * factor;
    r.upper = bounds->items[1].number * factor;
  }
  if (const Node* cv = table.optional("cv_percent", Node::Kind::number)) {
    r.cv_percent = cv->number;
    if (!(r.cv_percent > 0)) throw InputError(table.where("cv_percent"), "is not positive");
  }
  r.status = table.text("status");
  const std::vector<std::string> statuses{"measured", "derived", "assumed"};
  if (std::find(statuses.begin(), statuses.end(), r.status) == statuses.end()) throw unknown_name(table.where("status"), "status", r.status, statuses);
  r.source = r.range_source = table.text("source");
  r.value_of_file = r.value;
  r.note = table.text_or("note", "");
  table.finish();
  return r;
}

// Reads [module.key] tables for every field of a visit and refuses what the visit does not know.
template <class P, class Visit>
ParameterTable read_table(const TomlFile& file, Visit&& visit, const std::vector<std::string>& other_keys) {
  ParameterTable table;
  P fields{};
  visit(fields, [&](std::string_view module, const char* key, const char* unit, Domain domain, double&) {
    const std::string name = fmt::format("{}.{}", module, key);
    const Node* group = file.root.find(std::string(module));
    const Node* node = group ? group->find(key) : nullptr;
    if (!node) throw InputError(file.name, fmt::format("no parameter \"{}\"", name), fmt::format("expected a table [{}] with a value in {}", name, unit));
    table.records.push_back(read_record(*node, name, unit, domain));
  });
  std::vector<std::string> modules = other_keys;
  for (const auto& record : table.records) modules.push_back(record.name.substr(0, record.name.find('.')));
  for (const auto& [module, node] : file.root.entries) {
    if (std::find(modules.begin(), modules.end(), module) == modules.end()) throw unknown_name(node.where(module), "table", module, modules);
    if (std::find(other_keys.begin(), other_keys.end(), module) != other_keys.end()) continue;
    expect_kind(node, Node::Kind::table, node.where(module));
    for (const auto& [key, value] : node.entries)
      if (!table.find(module + "." + key)) throw unknown_name(value.where(module + "." + key), "parameter", module + "." + key, table.names());
  }
  return table;
}

template <class P, class Visit>
P fill(const ParameterTable& table, Visit&& visit) {
  P p{};
  visit(p, [&](std::string_view module, const char* key, const char*, Domain, double& value) {
    value = table.at(fmt::format("{}.{}", module, key)).value;
  });
  return p;
}

/// The kinds of assays, and the units that limits of quantification are kept in.
const std::map<std::string, std::string> lloq_units{{"cells", "cells/uL"}, {"chimerism", "%"}, {"il15", "pg/mL"}, {"il2", "IU/mL"}, {"concentration", "mg/L"}};

const auto visit_model = [](auto& p, auto&& v) { Parameters<double>::visit(p, v); };
const auto visit_product = [](auto& p, auto&& v) {
  ProductParams<double>::visit(p, [&](const char* key, const char* unit, Domain domain, auto& value) { v("product", key, unit, domain, value); });
};

double positive(const Quantity& q, const char* unit) {
  const double value = q.in(unit);
  if (!(value > 0)) throw InputError(q.where, fmt::format("\"{}\" is not positive", q.text), fmt::format("expected more than 0 {}", unit));
  return value;
}

double not_negative(const Quantity& q, const char* unit) {
  const double value = q.in(unit);
  if (!(value >= 0)) throw InputError(q.where, fmt::format("\"{}\" is negative", q.text), fmt::format("expected 0 {} or more", unit));
  return value;
}

/// Names of all ranges: of numbers outside the calendar, and of doses by drug and route.
std::vector<std::string> range_names() {
  std::vector<std::string> names{"parameter.without_bounds", "parameter.cv_percent"};
  for (const char* key : {"age", "weight", "height", "body_mass_index", "nk_count", "t_count", "treg_count", "wbc_count", "eGFR", "creatinine", "blood_volume"})
    names.push_back(fmt::format("patient.{}", key));
  for (const char* key : {"day", "horizon", "output_step", "condition"}) names.push_back(fmt::format("time.{}", key));
  for (const char* key : {"steroid", "treg_depletion", "il15_induction"}) names.push_back(fmt::format("window.{}", key));
  for (const auto& [assay, unit] : lloq_units) names.push_back("lloq." + assay);
  names.insert(names.end(), {"leukocytes.count", "limits.product_t_cells"});
  for (const DrugRoute& d : drug_routes) {
    const std::string dose = fmt::format("dose.{}.{}.", d.drug, d.route);
    names.push_back(dose + "duration");
    if (d.action == Action::graft) names.insert(names.end(), {dose + "nk_dose", dose + "cd34_dose", dose + "cd3_dose"});
    else names.push_back(dose + "amount");
  }
  return names;
}

PlausibleRange read_range(const Node& node, const std::string& name) {
  TableReader table(node, name);
  const Node& bounds = table.required("bounds", Node::Kind::list);
  const auto is_number = [](const Node& n) { return n.kind == Node::Kind::number; };
  if (bounds.items.size() != 2 || !std::ranges::all_of(bounds.items, is_number) || !(bounds.items[0].number < bounds.items[1].number))
    throw InputError(table.where("bounds"), "is not [lower, upper]", "expected two numbers that increase");
  PlausibleRange range{bounds.items[0].number, bounds.items[1].number, table.text("unit"), table.text("source")};
  parse_unit(range.unit, table.where("unit"));
  table.finish();
  return range;
}

/// Tables within tables, down to those that have bounds.
void collect_ranges(const Node& node, const std::string& name, const std::vector<std::string>& known, PlausibleRanges& all) {
  expect_kind(node, Node::Kind::table, node.where(name));
  if (!node.find("bounds")) {
    for (const auto& [key, child] : node.entries) collect_ranges(child, name.empty() ? key : name + "." + key, known, all);
  } else if (std::ranges::find(known, name) == known.end()) {
    throw unknown_name(node.where(name), "range", name, known);
  } else {
    all.emplace(name, read_range(node, name));
  }
}

double interpolate(const Node& rows, double age_y, std::size_t column) {
  const auto value = [&](std::size_t i, std::size_t j) { return rows.items[i].items[j].number; };
  std::size_t i = 1;
  while (i + 1 < rows.items.size() && value(i, 0) < age_y) ++i;
  const double w = (age_y - value(i - 1, 0)) / (value(i, 0) - value(i - 1, 0));
  return value(i - 1, column) + w * (value(i, column) - value(i - 1, column));
}

// "3y-girl", "6mo-boy", "0d-girl": a patient's table for a typical child or adult of that age
std::optional<Node> patient_by_age(const std::string& text, const fs::path& folder, InputTexts& inputs) {
  const auto dash = text.rfind('-');
  if (dash == std::string::npos || dash == 0 || !std::isdigit(static_cast<unsigned char>(text[0]))) return std::nullopt;
  const std::string who = text.substr(dash + 1);
  const bool male = who == "boy" || who == "man" || who == "male", female = who == "girl" || who == "woman" || who == "female";
  if (!male && !female) return std::nullopt;
  const Quantity age = parse_quantity(text.substr(0, dash), "patient " + text);
  const double age_y = age.in("y");
  const TomlFile file = read_toml(folder / "patients" / "by_age.toml");
  inputs["patients/by_age.toml"] = file.content;
  TableReader table(file.root, "");
  const Node& rows = table.required(male ? "male" : "female", Node::Kind::list);
  for (std::size_t i = 0; i < rows.items.size(); ++i) {
    const auto& row = rows.items[i].items;
    const bool numbers = row.size() == 3 && std::all_of(row.begin(), row.end(), [](const Node& n) { return n.kind == Node::Kind::number; });
    if (!numbers || (i > 0 && !(row[0].number > rows.items[i - 1].items[0].number)))
      throw InputError(rows.items[i].where(), "is not [age, weight, height]", "expected three numbers a row and ages that increase");
  }
  if (rows.items.size() < 2) throw InputError(rows.where(), "holds too few rows", "expected two at least");
  const double youngest = rows.items.front().items[0].number, oldest = rows.items.back().items[0].number;
  if (!(age_y >= youngest && age_y <= oldest))
    throw InputError(age.where, fmt::format("\"{}\" is out of range", age.text), fmt::format("expected {} to {} y, the ages of {}", youngest, oldest, file.name));
  Node patient;
  patient.file = "patient " + text;
  const auto put = [&](const char* key, const std::string& value) { patient.set(key, text_node(value, patient.file)); };
  put("name", text);
  put("title", fmt::format("typical {}, {}", male ? (age_y < 18 ? "boy" : "man") : (age_y < 18 ? "girl" : "woman"), text.substr(0, dash)));
  put("source", table.text("source"));
  put("sex", male ? "male" : "female");
  put("age", fmt::format("{} y", age_y));
  put("weight", fmt::format("{:.4g} kg", interpolate(rows, age_y, 1)));
  put("height", fmt::format("{:.4g} cm", interpolate(rows, age_y, 2)));
  return patient;
}

}  // namespace

ParameterRecord* ParameterTable::find(const std::string& name) {
  const auto it = std::find_if(records.begin(), records.end(), [&](const ParameterRecord& r) { return r.name == name; });
  return it == records.end() ? nullptr : &*it;
}

const ParameterRecord& ParameterTable::at(const std::string& name) const {
  const auto it = std::find_if(records.begin(), records.end(), [&](const ParameterRecord& r) { return r.name == name; });
  if (it == records.end()) throw unknown_name("", "parameter", name, names());
  return *it;
}

std::vector<std::string> ParameterTable::names() const {
  std::vector<std::string> all;
  for (const auto& r : records) all.push_back(r.name);
  return all;
}

void ParameterTable::set(const std::string& name, const Node& value, const std::string& source) {
  ParameterRecord* record = find(name);
  if (!record) throw unknown_name(value.where(), "parameter", name, names());
  const Quantity q = quantity_of(value, value.where(name));
  const double number = q.in(record->unit);
  if (!inside(record->domain, number)) throw InputError(q.where, fmt::format("\"{}\" is out of range", q.text), expected(record->domain));
  record->value = number;
  record->text = q.text;
  record->source = source;
  record->status = "assumed";
  record->note.clear();
  record->where = q.where;
}

void ParameterTable::set_number(const std::string& name, double value, const std::string& unit, const std::string& source) {
  ParameterRecord* record = find(name);
  if (!record) throw unknown_name(source, "parameter", name, names());
  record->value = value * conversion_factor(unit, record->unit);
  record->text = fmt::format("{} {}", value, unit);
  record->source = source;
  record->status = source.starts_with("ASSUMED") ? "assumed" : "measured";  // measured: a count of this patient
  record->note.clear();
  record->where = source;
}

Library::Library(const fs::path& folder) : folder_(folder.empty() ? find_folder() : folder) {
  if (!holds_model(folder_)) throw InputError(folder_.string(), "no model.toml there", "expected a folder of parameter files");
}

std::vector<std::string> Library::names(const std::string& kind) const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / kind, error))
    if (entry.path().extension() == ".toml" && entry.path().stem() != "by_age") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

TomlFile Library::file(const std::string& kind, const std::string& name_or_path, const std::string& where) const {
  const bool is_path = name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".toml");
  if (is_path) return read_toml(name_or_path);
  const auto known = names(kind);
  if (std::find(known.begin(), known.end(), name_or_path) == known.end()) {
    const std::string one = kind.substr(0, kind.size() - 1);
    std::error_code error;
    if (fs::is_regular_file(name_or_path, error))
      throw InputError(where, fmt::format("unknown {} \"{}\"", one, name_or_path), fmt::format("for the file of that name write ./{}", name_or_path));
    const std::string near = nearest_name(name_or_path, known);
    const std::string other = kind == "patients" ? "an age such as 3y-girl, or the path of a TOML file" : "the path of a TOML file";
    throw InputError(where, fmt::format("unknown {} \"{}\"", one, name_or_path),
                     (near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near)) + fmt::format("known: {}, or {}", fmt::join(known, ", "), other));
  }
  TomlFile file = read_toml(folder_ / kind / (name_or_path + ".toml"));
  return file;
}

TomlFile Library::regimen(const std::string& name_or_path) const { return file("regimens", name_or_path); }

ParameterTable Library::parameters(InputTexts& inputs) const {
  const TomlFile file = read_toml(folder_ / "model.toml");
  inputs["model.toml"] = file.content;
  ParameterTable table = read_table<Parameters<double>>(file, visit_model, {"format", "switches"});
  if (const Node* switches = file.root.find("switches")) {
    TableReader reader(*switches, "switches");
    if (const Node* lq = reader.optional("linear_quadratic", Node::Kind::flag)) table.linear_quadratic = lq->flag;
    reader.finish();
  }
  return table;
}

Product Library::product(const std::string& name_or_path, InputTexts& inputs, const std::string& where) const {
  TomlFile file = this->file("products", name_or_path, where);
  Product product;
  TableReader table(file.root, "");
  product.name = table.text("name");
  product.title = table.text_or("title", product.name);
  inputs["products/" + product.name + ".toml"] = file.content;
  std::vector<std::string> seen{product.name};
  // entries of the product itself win over those it takes from another one
  for (const Node* like = file.root.find("like"); like;) {
    expect_kind(*like, Node::Kind::text, like->where("like"));
    const TomlFile base = this->file("products", like->text, like->where("like"));
    if (std::find(seen.begin(), seen.end(), like->text) != seen.end()) throw InputError(like->where("like"), fmt::format("\"{}\" refers back to itself", like->text));
    seen.push_back(like->text);
    inputs["products/" + fs::path(base.name).filename().string()] = base.content;
    if (!file.root.find("product")) {
      Node none;
      none.file = file.name;
      file.root.set("product", none);
    }
    Node& own = *file.root.find("product");
    expect_kind(own, Node::Kind::table, own.where("product"));
    if (const Node* values = base.root.find("product"))
      for (const auto& [key, value] : values->entries)
        if (!own.find(key)) own.entries.push_back({key, value});
    file.root.erase("like");
    if (const Node* next = base.root.find("like")) file.root.set("like", *next);
    like = file.root.find("like");
  }
  product.table = read_table<ProductParams<double>>(file, visit_product, {"format", "name", "title"});
  return product;
}

Patient Library::patient(const std::string& name_or_path, const Node& patches, Node& parameters, InputTexts& inputs, std::vector<Stated>& stated,
                         const std::string& where) const {
  Node root;
  if (auto typical = patient_by_age(name_or_path, folder_, inputs)) {
    root = *typical;
  } else {
    TomlFile file = this->file("patients", name_or_path, where);
    inputs["patients/" + fs::path(file.name).filename().string()] = file.content;
    root = file.root;
  }
  const std::vector<std::string> keys{"sex", "age", "weight", "height", "nk_count", "t_count", "treg_count", "wbc_count", "eGFR", "creatinine", "blood_volume"};
  for (const auto& [key, value] : patches.entries) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) throw unknown_name(value.where("patient." + key), "key of a patient", key, keys);
    root.set(key, value);
  }
  TableReader table(root, "");
  table.optional("format");
  for (const auto& key : keys) table.optional(key);  // known before one is missed: "height" is no misspelt "weight"
  Patient q;
  q.name = table.text("name");
  q.title = table.text_or("title", q.name);
  q.source = table.text_or("source", "");
  const std::string sex = table.text("sex");
  if (sex != "male" && sex != "female") throw unknown_name(table.where("sex"), "sex", sex, {"male", "female"});
  q.sex = sex == "male" ? Sex::male : Sex::female;
  q.age_y = not_negative(table.required_quantity("age"), "y");
  q.weight_kg = positive(table.required_quantity("weight"), "kg");
  q.height_cm = positive(table.required_quantity("height"), "cm");
  const auto optional = [&](const char* key, const char* unit, double& target) {
    if (const auto value = table.quantity(key)) target = positive(*value, unit);
  };
  optional("nk_count", "cells/uL", q.nk_per_uL);  // a count of zero leaves no set-point to return to
  optional("t_count", "cells/uL", q.t_per_uL);
  optional("treg_count", "cells/uL", q.treg_per_uL);
  optional("wbc_count", "cells/uL", q.wbc_per_uL);
  optional("eGFR", "mL/min/1.73m^2", q.eGFR_mL_per_min_per_1_73m2);
  optional("creatinine", "mg/dL", q.creatinine_mg_per_dL);
  optional("blood_volume", "L", q.blood_volume_L);
  for (const auto& key : keys)
    if (const auto value = key == "sex" ? std::nullopt : table.quantity(key)) stated.push_back({"patient." + key, *value});
  const double bmi = q.weight_kg / std::pow(q.height_cm / 100, 2);
  stated.push_back({"patient.body_mass_index", {bmi, parse_unit("kg/m^2", ""), fmt::format("{:.4g} kg at {:.4g} cm, {:.3g} kg/m^2", q.weight_kg, q.height_cm, bmi), table.where("weight")}});
  if (const Node* own = table.optional("parameters", Node::Kind::table)) parameters = *own;
  table.finish();
  return q;
}

std::map<std::string, Lloq> Library::lloqs(InputTexts& inputs, std::vector<Stated>& stated) const {
  const TomlFile file = read_toml(folder_ / "observables.toml");
  inputs["observables.toml"] = file.content;
  TableReader table(file.root, "");
  table.required("format");
  std::map<std::string, Lloq> all;
  TableReader lloq(table.required("lloq", Node::Kind::table), "lloq");
  for (const auto& [key, unit] : lloq_units) {
    TableReader entry(lloq.required(key, Node::Kind::table), "lloq." + key);
    stated.push_back({"lloq." + key, entry.required_quantity("value")});
    all[key] = {positive(stated.back().quantity, unit.c_str()), unit, entry.text("source")};
    entry.optional("note");
    entry.finish();
  }
  lloq.finish();
  table.finish();
  return all;
}

PlausibleRanges Library::ranges(InputTexts& inputs) const {
  TomlFile file = read_toml(folder_ / "ranges.toml");
  inputs["ranges.toml"] = file.content;
  file.root.erase("format");
  const auto known = range_names();
  PlausibleRanges all;
  collect_ranges(file.root, "", known, all);
  for (const auto& name : known)
    if (!all.contains(name)) throw InputError(file.name, fmt::format("no range \"{}\"", name), fmt::format("expected a table [{}] with bounds, unit and source", name));
  return all;
}

Parameters<double> to_parameters(const ParameterTable& table) { return fill<Parameters<double>>(table, visit_model); }
ProductParams<double> to_product(const ParameterTable& table) { return fill<ProductParams<double>>(table, visit_product); }

bool inside(Domain domain, double value) {
  switch (domain) {
    case Domain::positive: return value > 0;
    case Domain::non_negative: return value >= 0;
    case Domain::fraction: return value >= 0 && value <= 1;
  }
  return false;
}

std::string expected(Domain domain) {
  switch (domain) {
    case Domain::positive: return "expected more than 0";
    case Domain::non_negative: return "expected 0 or more";
    case Domain::fraction: return "expected 0 to 1";
  }
  return "";
}

std::optional<Refusal> refusal_of(const Parameters<double>& p) {
  if (!(p.nk.phi > 0 && p.nk.phi < 1)) return Refusal{fmt::format("nk.phi = {}", p.nk.phi), "the blood share must lie between 0 and 1"};
  if (!(p.il15.fc < 1)) return Refusal{fmt::format("il15.fc = {}", p.il15.fc), "the lymphocyte share of IL-15 loss must be below 1"};
  if (!(p.nk.dmin < p.host_nk.d0 && p.host_nk.d0 < p.host_nk.dmax))
    return Refusal{fmt::format("nk.dmin = {}, host_nk.d0 = {}, host_nk.dmax = {} 1/d", p.nk.dmin, p.host_nk.d0, p.host_nk.dmax), "the baseline needs dmin < d0 < dmax"};
  const auto nk = CytokineSignal::prepare<double>(p);
  if (!(nk.p0 < nk.d0))
    return Refusal{fmt::format("proliferation at baseline {:.4g} is not below host_nk.d0 = {} 1/d", nk.p0, nk.d0), "lower host_nk.pmax or raise host_nk.E15"};
  if (!(nk.kTB > 0)) return Refusal{fmt::format("return from tissue would be {:.4g} 1/d", nk.kTB), "raise nk.kBT or nk.phi"};
  if (!(p.host_nk.kap > 1)) return Refusal{fmt::format("host_nk.kap = {}", p.host_nk.kap), "the precursor ceiling must be above 1"};
  if (!(p.busulfan.age_adult > p.busulfan.age_child)) return Refusal{"busulfan.age_adult is not above busulfan.age_child", ""};
  return std::nullopt;
}

void check_parameters(const Parameters<double>& p, const std::string& where) {
  if (const auto refusal = refusal_of(p)) throw InputError(where, refusal->problem, refusal->hint);
}

}  // namespace nkpk
