// The other files of a library: the first line says which one the rest is, and the shipped ones stand for the others.
#include <fstream>

#include "scenarios.hpp"

using namespace nkpk;
namespace fs = std::filesystem;

namespace {

/// A folder of parameter files: links to the shipped ones, but for the files that an input may be.
class Shelf {
 public:
  Shelf() {
    for (const char* kind : {"patients", "products", "regimens"}) {
      fs::create_directory(folder_.path() / kind);
      for (const auto& entry : fs::directory_iterator(shipped_ / kind)) link(fs::path(kind) / entry.path().filename());
    }
    for (const char* name : {"model.toml", "observables.toml"}) link(name);
    for (const char* name : {"ranges.toml"})
      if (fs::exists(shipped_ / name)) link(name);
  }
  const fs::path& path() const { return folder_.path(); }
  void put(const fs::path& name, std::string_view content) const {
    fs::remove(path() / name);
    std::ofstream(path() / name, std::ios::binary) << content;
  }
  void link(const fs::path& name) const {
    fs::remove(path() / name);
    fs::create_symlink(shipped_ / name, path() / name);
  }

 private:
  const fs::path shipped_ = NKPK_PARAMS_DIR;
  fuzz::Folder folder_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Shelf shelf;
  std::string_view rest = fuzz::text_of(data, size);
  const std::string which(fuzz::take_until(rest, '\n'));
  static const std::vector<std::string> known{"model.toml", "observables.toml", "ranges.toml", "patients/by_age.toml", "patients/boy-10y.toml", "products/expanded.toml", "products/ucb-nk.toml"};
  if (std::find(known.begin(), known.end(), which) == known.end()) return -1;
  shelf.put(which, rest);
  Request request;
  request.regimen = "radboud-ucb";
  request.patient = which == "patients/by_age.toml" ? "3y-girl" : "boy-10y";
  if (which.starts_with("products/")) request.sets = {"product=\"" + fs::path(which).stem().string() + "\""};
  fuzz::accepts(size, [&] { fuzz::expect_sound(make_scenario(Library(shelf.path()), request)); });
  shelf.link(which);
  return 0;
}
