#pragma once
#include <memory>
#include <type_traits>
#include <utility>

namespace nkpk {

template <class Signature>
class Callback;

/// A reference to something callable: an object and a function pointer, no allocation. The object must outlive it.
template <class R, class... Args>
class Callback<R(Args...)> {
 public:
  Callback() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Callback> && std::is_invocable_r_v<R, F&, Args...>)
  Callback(F& f)  // NOLINT: implicit on purpose, as in `system.rhs = lambda;`
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R { return (*static_cast<F*>(object))(std::forward<Args>(args)...); }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }
  explicit operator bool() const { return call_ != nullptr; }

 private:
  void* object_ = nullptr;
  R (*call_)(void*, Args...) = nullptr;
};

}  // namespace nkpk
