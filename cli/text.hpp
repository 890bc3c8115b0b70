#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace nkpk::cli {

/// A table in plain text; the first row is the heading. Columns after the first are right-aligned.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// A number for people: four digits, "-" for what does not exist; the qualifiers of a Metric as ">17.8" and "4.01*".
std::string number(double value, const std::string& qualifier = "");

/// A line on stderr that counts what is finished; silent unless stderr is a terminal.
class Progress {
 public:
  Progress(std::size_t total, bool quiet);
  ~Progress();
  void step(const std::string& what);
  void set(std::size_t done, const std::string& what);

 private:
  std::size_t total_, done_ = 0;
  bool active_;
};

}  // namespace nkpk::cli
