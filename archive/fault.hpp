#pragma once

// Named places at which a test lets the process die, in the middle of what must not be lost. Always compiled in, so that what is
// tested is what is shipped: without NKPK_FAULT in the environment a place costs one comparison, beside a call that goes to disk.

namespace nkpk::archive::fault {

/// NKPK_FAULT=place:7 is due the seventh time that this place is reached.
bool is_due(const char* place);

/// Ends the process as kill -9 does: no destructor, no buffer, nothing is tidied up.
[[noreturn]] void die();

/// Dies where it is due.
inline void point(const char* place) {
  if (is_due(place)) die();
}

}  // namespace nkpk::archive::fault
