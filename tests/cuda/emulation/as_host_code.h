// Around a kernel's source, compiled as C++: what the fake driver calls. ORDER and ORDER_SEED are set from outside.
#pragma once
#include <tuple>
#include <utility>

extern "C" int emulation_order;
extern "C" unsigned emulation_order_seed;
int emulation_order = on_cpu::FORWARD;
unsigned emulation_order_seed = 0;

namespace emulated {
struct Call {
  void** parameters;
};
template <class... P, size_t... K>
void apply(void (*kernel)(P...), void** parameters, std::index_sequence<K...>) {
  kernel(*(std::remove_reference_t<P>*)parameters[K]...);
}
template <class... P>
constexpr int addresses(void (*)(P...)) { return (0 + ... + std::is_pointer_v<P>); }
}  // namespace emulated

#define EMULATED(name, threads_asked)                                                                              \
  static void call_##name(const void* call) {                                                                      \
    emulated::apply(name, ((const emulated::Call*)call)->parameters, emulated::indices(name));                     \
  }                                                                                                                \
  extern "C" int run_##name(void** parameters, unsigned blocks, unsigned threads, unsigned shared, bool go) {      \
    if (!go) return emulated::addresses(name);                                                                     \
    if (threads != threads_asked) return 1;                                                                        \
    on_cpu::order = emulation_order;                                                                               \
    on_cpu::order_seed = emulation_order_seed;                                                                     \
    emulated::Call call{parameters};                                                                               \
    try {                                                                                                          \
      on_cpu::launch(call_##name, &call, blocks, threads, shared);                                                 \
    } catch (const on_cpu::Failure&) {                                                                             \
      return 719;                                                                                                  \
    }                                                                                                              \
    return 0;                                                                                                      \
  }

namespace emulated {
template <class... P>
constexpr auto indices(void (*)(P...)) { return std::index_sequence_for<P...>{}; }
}  // namespace emulated
