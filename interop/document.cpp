#include "nkpk/interop/document.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

#include "nkpk/interop/equations.hpp"
#include "nkpk/interop/latex.hpp"
#include "nkpk/model/dose_effects.hpp"

namespace nkpk {
namespace {

std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) text += c == '_' ? "\\_" : std::string(1, c);
  return text;
}

std::string plain(std::string unit) {
  for (std::size_t at = 0; (at = unit.find("^2", at)) != std::string::npos;) unit.replace(at, 2, "²");
  return unit;
}

/// The name without its prefix.
std::string bare(const std::string& name) {
  const auto colon = name.find(':');
  return colon == std::string::npos ? name : name.substr(colon + 1);
}

constexpr std::string_view of_cohort = "cohort_1.", one_cohort = "_1";

std::string face(const char* command, const std::string& name) {
  return name.ends_with("_k") ? fmt::format("\\{}{{{}}}_k", command, escaped(name.substr(0, name.size() - 2))) : fmt::format("\\{}{{{}}}", command, escaped(name));
}

/// Upright: given; sans serif: computed once; italic: changes.
std::string variable(const std::string& name) {
  std::string text = bare(name);
  if (name == "day") return "t";
  if (name.starts_with("p:")) return face("mathrm", text);
  if (text.starts_with(of_cohort)) return face("mathsf", text.substr(of_cohort.size()) + "_k");
  if (name.starts_with("c:")) return face("mathsf", text);
  if ((name.starts_with("y:infused_") || name.starts_with("r:infused_")) && text.ends_with(one_cohort)) text.replace(text.size() - one_cohort.size(), one_cohort.size(), "_k");
  if (name.starts_with("m:")) text = "leukocytes." + text;
  if (name.starts_with("w:")) text = "window." + text;
  return face("mathit", text);
}

/// As seen by what adds up the cohorts.
std::string summed(const std::string& name) {
  const std::string text = variable(name);
  return name.starts_with("y:infused_") && text.ends_with("_k") ? "\\textstyle\\sum_k " + text : text;
}

class Document {
 public:
  std::string text() {
    collect();
    text_ =
        "# Equations\n\n"
        "Written by `nkpk export --equations` from the model itself, run on symbols: what is read here is what is solved. Do not edit; a test compares.\n"
        "Where the equations come from, and what they leave out, stands with each mechanism in `model/`; see [model.md](model.md).\n\n"
        "Upright: given, a parameter of [params/model.toml](../params/model.toml), of a product (`product.`), of the patient's body (`body.`) or an amount. "
        "Sans serif: a constant, computed from given numbers once for each patient. Italic: changes with time. "
        "The index k numbers the infusions of NK cells; t is the day. [x]₊ is x where positive, else 0. A mechanism that is switched off "
        "leaves its signals neutral: 0, and 1 for factors.\n";
    body();
    constants();
    signals();
    rates();
    doses();
    observables();
    for (std::size_t at = 0; (at = text_.find("\n\n\n", at)) != std::string::npos;) text_.erase(at, 1);
    return text_;
  }

 private:
  struct Line {
    std::string left, right, unit;
  };

  void heading(const std::string& title, int level = 2) { text_ += fmt::format("\n{} {}\n\n", std::string(static_cast<std::size_t>(level), '#'), title); }
  void paragraph(const std::string& text) { text_ += text + "\n\n"; }
  void block(const std::vector<Line>& lines) {
    text_ += "```math\n\\begin{aligned}\n";
    for (const Line& line : lines)
      text_ += fmt::format("{} &= {}{} \\\\\n", line.left, line.right, line.unit.empty() ? "" : fmt::format(" && [\\text{{{}}}]", plain(line.unit)));
    text_ += "\\end{aligned}\n```\n";
  }
  void row(const std::vector<std::string>& cells) {
    text_ += "|";
    for (const std::string& cell : cells) text_ += " " + cell + " |";
    text_ += "\n";
  }
  void table_head(const std::vector<std::string>& cells) {
    row(cells);
    row(std::vector<std::string>(cells.size(), "---"));
  }

  void collect() {
    in_.p = named_parameters();
    Patient patient;  // whose blood volume and eGFR are known
    patient.age_y = patient.weight_kg = patient.height_cm = patient.blood_volume_L = patient.eGFR_mL_per_min_per_1_73m2 = 1;
    in_.body = Physiology::body<Symbol>(patient, in_.p.physiology, known_body);
    in_.chi = Symbol::variable("p:chi");
    in_.cohorts = {{Symbol::variable("p:start_k"), named_product("product")}};
    in_.windows = {Symbol::variable("w:steroid"), Symbol::variable("w:treg_depletion"), Symbol::variable("w:il15_induction")};
    in_.leukocytes = {Symbol::variable("m:host"), Symbol::variable("m:graft"), Symbol::variable("m:monocytes_host"), Symbol::variable("m:monocytes_graft"),
                      Symbol::variable("m:blasts")};
    e_ = equations(in_);
    for (const auto* list : {&e_.computed, &e_.first, &e_.second, &e_.own, &e_.observables})
      for (const Equation& e : *list)
        if (e.value.op() != Symbol::Op::variable) each_.name(e.value, e.name), all_.name(e.value, e.name);
  }
  static Symbol known_body(const char* key, double) { return Symbol::variable(fmt::format("p:body.{}", key)); }

  void body() {
    heading("The patient");
    paragraph("Weight, body surface, age and, where known, blood volume and eGFR are given; an adult's blood volume follows from sex, height and weight "
              "(`model/physiology.hpp`). Otherwise:");
    Patient patient;
    std::vector<Line> lines;
    for (const auto& [age, what] : {std::pair{0.1, "below 3 months"}, {1.0, "below 2 years"}, {6.0, "below 12 years"}, {15.0, "below 18 years"}}) {
      patient.age_y = age;
      const Body<Symbol> b = Physiology::body<Symbol>(patient, in_.p.physiology, known_body);
      lines.push_back({face("mathsf", "body.blood_uL"), each_.text(b.blood_uL) + fmt::format(" \\quad\\text{{{}}}", what), "uL"});
    }
    const Body<Symbol> b = Physiology::body<Symbol>(patient, in_.p.physiology, known_body);
    lines.push_back({face("mathsf", "body.eGFR_L_per_d"), each_.text(b.eGFR_L_per_d), "L/d/1.73m^2"});
    block(lines);
  }

  void constants() {
    heading("Constants");
    std::vector<std::string> order;
    std::map<std::string, std::vector<Line>> groups;
    for (const Equation& e : e_.computed) {
      const std::string path = bare(e.name), group = path.starts_with(of_cohort) ? "infused_nk" : path.find('.') == std::string::npos ? "general" : path.substr(0, path.find('.'));
      if (!groups.contains(group)) order.push_back(group);
      groups[group].push_back({variable(e.name), each_.text(e.value, e.name), e.unit});
    }
    for (const std::string& group : order) {
      heading(group, 3);
      block(groups[group]);
    }
  }

  void signals() {
    heading("Signals");
    paragraph("Everything that the mechanisms tell each other. The first rank comes from states:");
    signals(e_.first);
    paragraph("\nThe second rank, how the cytokines act on NK cells, comes from signals of the first:");
    signals(e_.second);
  }
  void signals(const std::vector<Equation>& all) {
    table_head({"signal", "unit", ""});
    std::vector<Line> lines;
    for (const Equation& e : all) {
      // a signal with the name of the state that it is needs no line
      const bool is_state = e.value.op() == Symbol::Op::variable && bare(e.value.name()) == bare(e.name);
      row({"`" + bare(e.name) + "`", e.unit, e.title + (is_state ? ": the state" : "")});
      if (!is_state) lines.push_back({variable(e.name), all_.text(e.value, e.name), ""});
    }
    text_ += "\n";
    block(lines);
  }

  void rates() {
    heading("Rates");
    paragraph("Infusions add a constant rate to the states that they enter (below).");
    for (std::size_t m = 0; m < std::size_t(Module::count); ++m) {
      if (static_cast<Module>(m) == Module::il15_dynamics) continue;  // a switch without states
      std::vector<Line> lines;
      heading(std::string(module_names[m]), 3);
      for (const Equation& e : e_.own)
        if (static_cast<std::size_t>(e.module) == m) lines.push_back({variable(e.name), each_.text(e.value, e.name), e.unit});
      table_head({"state", "unit", "", "before treatment"});
      for (std::size_t i = 0; i < e_.states.size(); ++i) {
        const Equation& y = e_.states[i];
        if (static_cast<std::size_t>(y.module) != m) continue;
        const std::string name = bare(y.name);
        row({"`" + (y.module == Module::infused_nk ? name.substr(0, name.size() - one_cohort.size()) + "_k" : name) + "`", y.unit, y.title, "$`" + each_.text(y.value) + "`$"});
        lines.push_back({fmt::format("\\frac{{d\\,{}}}{{dt}}", variable(y.name)), each_.text(e_.rates[i].value), ""});
      }
      text_ += "\n";
      block(lines);
    }
  }

  void doses() {
    heading("Doses");
    paragraph("An amount A enters at once, or at the constant rate A/duration. Of NK cells, A counts the viable ones:");
    const auto entries = state_entries(1);
    const auto state = [&](std::size_t i) { return variable("y:" + entries[i].name); };
    block({{"A", each_.text(viable_nk_()), ""}});
    text_ += "\n";
    table_head({"drug", "route", "unit of A", "enters"});
    for (const DrugRoute& route : drug_routes) {
      std::string enters;
      for (const auto& w : entry_weights(route, e_.constants, 0)) {
        const std::string share = w.rate.is_number(1) ? "" : each_.text(w.rate) + " \\, ";
        enters += fmt::format("{}$`{}A`$ into $`{}`$", enters.empty() ? "" : ", ", share, state(w.state));
      }
      if (route.action == Action::survival || route.action == Action::graft) enters = "see below";
      if (route.action == Action::record) enters = "nothing: stands in the calendar";
      row({std::string(route.drug), std::string(route.route), std::string(route.unit), enters});
    }
    paragraph("\nA fraction of total body irradiation, of A Gy, takes every state from its value before (right) to the one after (left):");
    jump(irradiation_jump(e_.constants, Symbol::variable("p:A")));
    paragraph("\nWith the switch linear_quadratic the shares that survive are of the form:");
    Constants<Symbol> quadratic = e_.constants;
    quadratic.irradiation.linear_quadratic = true;
    block({{"S_{\\mathrm{NK}}", each_.text(Irradiation::survival(quadratic.irradiation, quadratic.irradiation.p.D0_NK, Symbol::variable("p:A"))), ""}});
    paragraph("\nA graft; the precursors of the host change only where the conditioning was myeloablative:");
    jump(graft_jump(e_.constants, GraftDose<Symbol>{in_.p.graft.NK_dose, in_.p.graft.CD34_dose, in_.p.graft.CD3_dose, true}));
  }
  Symbol viable_nk_() const {
    const auto& product = in_.cohorts[0].product;
    return Symbol::variable("p:dose") * product.f_NK * product.viability;
  }
  void jump(const AffineJump<Symbol>& jump) {
    const auto entries = state_entries(1);
    std::vector<Line> lines;
    for (const auto& line : jump) {
      Symbol value = line.add;
      for (const auto& [source, weight] : line.sources) value += weight * Symbol::variable("y:" + entries[source].name);
      const bool adds_up = entries[line.target].module == Module::irradiation;  // what it dooms, of all cohorts
      lines.push_back({variable("y:" + entries[line.target].name), (adds_up ? all_ : each_).text(value), ""});
    }
    block(lines);
  }

  void observables() {
    heading("Observables");
    paragraph("What archives hold. A share of nothing is not a number.");
    table_head({"observable", "unit", ""});
    std::vector<Line> lines;
    for (const Equation& e : e_.observables) {
      const bool of_infusion = e.name.ends_with(one_cohort);
      const bool is_state = e.value.op() == Symbol::Op::variable && bare(e.value.name()) == e.name;
      const std::string name = of_infusion ? e.name.substr(0, e.name.size() - one_cohort.size()) : e.name;
      const auto comma = e.title.rfind(", infusion");
      row({"`" + name + "`", e.unit, (of_infusion ? e.title.substr(0, comma) + ", by infusion" : e.title) + (is_state ? ": the state" : "")});
      if (!is_state) lines.push_back({face("mathit", of_infusion ? name + "_k" : name), (of_infusion ? each_ : all_).text(e.value, e.name), ""});
    }
    text_ += "\n";
    block(lines);
  }

  SymbolicInputs in_;
  Equations e_;
  LatexWriter each_{variable}, all_{summed};
  std::string text_;
};

}  // namespace

std::string equations_document() { return Document().text(); }

}  // namespace nkpk
