#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace nkpk {

/// The user's mistake, found at the door: bad file, unknown name, wrong unit, impossible value.
/// what() reads "where: problem; hint", for example
/// `my.toml:14: dose[1].amount: unit "mg/kg" is not a number of cells; expected cells or cells/kg`.
/// It is one line of valid UTF-8 and each part ends after a thousand bytes, whatever stands in the file.
class InputError : public std::runtime_error {
 public:
  InputError(const std::string& where, const std::string& problem, const std::string& hint = "");
};

/// Bytes of the UTF-8 character at the beginning of a text; 0 where there is none, or a control character.
std::size_t printable_character(std::string_view text);

/// The member of `names` closest to `wrong` (edit distance), or "" when none is near enough to be meant.
std::string nearest_name(std::string_view wrong, const std::vector<std::string>& names);

/// A name that may stand in file names, archives and on the command line: letters, digits and "_-+.", no leading dot.
/// Throws InputError otherwise.
void expect_plain_name(const std::string& where, std::string_view kind, std::string_view name);

/// `unknown X "wrong"; did you mean "near"? known: a, b, c` as the two halves of an InputError.
InputError unknown_name(const std::string& where, std::string_view kind, std::string_view wrong,
                        const std::vector<std::string>& names);

}  // namespace nkpk
