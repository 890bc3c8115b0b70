// A data race that is there to be found: without a report of it ThreadSanitizer was not at work.
#include <thread>

int main() {
  int count = 0;
  const auto add = [&count] {
    for (int i = 0; i < 1000; ++i) ++count;
  };
  std::jthread other(add);
  add();
  other.join();
  return count == 0;
}
