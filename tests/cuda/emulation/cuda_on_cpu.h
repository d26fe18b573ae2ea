// CUDA C++ kernels as plain C++: a block's threads are fibers of one system thread, blocks run one after the other.
// Covers what a kernel here may use: threadIdx, blockIdx, blockDim, __syncthreads, __syncwarp, dynamic shared memory,
// atomicAdd, atomicOr, atomicAnd, __ldg, and math.
//   * the order of threads between two barriers is a choice (forward, reverse, shuffled by a seed): a kernel whose
//     result depends on it has a race;
//   * threads that wait at different barriers, or of which some have ended, are an error, as on a GPU;
//   * dynamic shared memory begins as garbage (there is no other kind);
//   * with -fsanitize=thread every fiber is a thread of its own for the race detector, ordered by barriers only.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>
#include <ucontext.h>

#if defined(__SANITIZE_THREAD__)
#define ON_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ON_TSAN 1
#endif
#endif
#ifndef ON_TSAN
#define ON_TSAN 0
#endif
#if ON_TSAN
extern "C" {
void* __tsan_get_current_fiber(); void* __tsan_create_fiber(unsigned); void __tsan_destroy_fiber(void*);
void __tsan_switch_to_fiber(void*, unsigned); void __tsan_acquire(void*); void __tsan_release(void*);
}
#endif

namespace on_cpu {
struct Dim { unsigned x, y = 1, z = 1; };
enum Order { FORWARD, REVERSE, SHUFFLED };
inline int order = FORWARD;
inline unsigned order_seed = 0;
inline long long n_barriers = 0;

struct Fiber {
  Dim index; void* stack_pointer = nullptr; char* stack = nullptr; int waits = 0 /* line of the barrier */, warp_waits = 0;
  bool done = false; void* tsan = nullptr; unsigned n_barriers = 0, n_warp_barriers = 0; unsigned ballot = 0; bool predicate = false;
};
inline thread_local Fiber* current = nullptr;
#if ON_TSAN   // the emulation's own bookkeeping is not the kernel's business
#define UNSEEN __attribute__((no_sanitize("thread"), noinline))
#else
#define UNSEEN
#endif
UNSEEN inline Fiber* me() { return current; }
UNSEEN inline void set_current(Fiber* f) { current = f; }
inline thread_local Dim block, grid, block_size;
inline thread_local unsigned char* dynamic = nullptr;
inline thread_local void* scheduler_stack = nullptr;
inline thread_local void* scheduler_tsan = nullptr;
inline thread_local const void* body_argument = nullptr;
inline thread_local void (*body)(const void*) = nullptr;
constexpr size_t STACK = ON_TSAN ? 256 << 10 : 64 << 10;

// Saves the callee-saved registers on the stack and swaps stacks (System V x86-64).
extern "C" void on_cpu_switch(void** from, void* to);
#ifdef ON_CPU_IMPLEMENTATION
asm(R"(.text
.globl on_cpu_switch
.type on_cpu_switch,@function
on_cpu_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");
#endif

UNSEEN inline void to_scheduler() {
  Fiber* me = current;
#if ON_TSAN
  __tsan_switch_to_fiber(scheduler_tsan, 1);
#endif
  on_cpu_switch(&me->stack_pointer, scheduler_stack);
}
inline char start_token[1], end_token[1];
UNSEEN inline void mark_done() { current->done = true; }
UNSEEN inline void mark_wait(int line) { current->waits = line; }
UNSEEN inline void mark_warp_wait(int line) { current->warp_waits = line; }
inline void entry() {
#if ON_TSAN
  __tsan_acquire(start_token);   // after what the host wrote
#endif
  body(body_argument);
#if ON_TSAN
  __tsan_release(end_token);     // before what the host reads
#endif
  mark_done();
  to_scheduler();
  std::abort();
}
UNSEEN inline void resume(Fiber& fiber) {
  current = &fiber;
#if ON_TSAN
  __tsan_switch_to_fiber(fiber.tsan, 1);
#endif
  on_cpu_switch(&scheduler_stack, fiber.stack_pointer);
  current = nullptr;
}
inline char barrier_token[2], warp_token[64][2];  // two each: a fast thread is at most one barrier ahead
UNSEEN inline unsigned next_barrier() { return current->n_barriers++ & 1; }
UNSEEN inline unsigned next_warp_barrier() { return current->n_warp_barriers++ & 1; }
inline void barrier(int line) {
#if ON_TSAN
  char* const token = &barrier_token[next_barrier()];
  __tsan_release(token);
#endif
  mark_wait(line);
  to_scheduler();
#if ON_TSAN
  __tsan_acquire(token);
#endif
}
inline void warp_barrier(int line) {
#if ON_TSAN
  char* const token = &warp_token[me()->index.x / 32][next_warp_barrier()];
  __tsan_release(token);
#endif
  mark_warp_wait(line);
  to_scheduler();
#if ON_TSAN
  __tsan_acquire(token);
#endif
}

UNSEEN inline Dim thread_index() { return current->index; }
struct Failure {};  // of a launch, as a GPU would hang or fail
[[noreturn]] inline void fail(const char* what, int a, int b) {
  std::fprintf(stderr, "cuda_on_cpu: %s (lines %d, %d)\n", what, a, b);
  throw Failure{};
}

UNSEEN inline void run_block(std::vector<Fiber>& fibers, std::mt19937& random) {
  const int n = (int)fibers.size();
  std::vector<int> turn(n);
  std::iota(turn.begin(), turn.end(), 0);
  if (order == REVERSE) std::reverse(turn.begin(), turn.end());
  for (;;) {
    if (order == SHUFFLED) std::shuffle(turn.begin(), turn.end(), random);
    bool any_warp = false;
    for (int k : turn) {
      Fiber& f = fibers[k];
      if (!f.done && !f.waits && !f.warp_waits) resume(f);
    }
    for (int w = 0; w < n; w += 32) {  // a warp whose threads all wait for each other goes on
      const int last = std::min(n, w + 32);
      int waiting = 0, line = 0;
      unsigned ballot = 0;
      for (int k = w; k < last; ++k)
        if (fibers[k].warp_waits) {
          ++waiting;
          if (line && fibers[k].warp_waits != line) fail("threads of a warp wait at different places", line, fibers[k].warp_waits);
          line = fibers[k].warp_waits;
          ballot |= (unsigned)fibers[k].predicate << (k - w);
        }
      if (!waiting) continue;
      if (waiting != last - w) fail("only some threads of a warp reached a warp barrier", line, 0);
      for (int k = w; k < last; ++k) { fibers[k].warp_waits = 0; fibers[k].ballot = ballot; }
      any_warp = true;
    }
    if (any_warp) continue;
    int done = 0, line = 0;
    for (Fiber& f : fibers) {
      done += f.done;
      if (!f.done) {
        if (line && f.waits != line) fail("threads wait at different barriers", line, f.waits);
        line = f.waits;
      }
    }
    if (done == n) return;
    if (done) fail("some threads ended, others wait at a barrier", line, 0);
    ++n_barriers;
    for (Fiber& f : fibers) f.waits = 0;
  }
}

inline void launch(void (*kernel)(const void*), const void* argument, unsigned n_blocks, unsigned n_threads, size_t shared) {
  body = kernel; body_argument = argument; grid = {n_blocks}; block_size = {n_threads};
  std::mt19937 random(order_seed);
  std::vector<Fiber> fibers(n_threads);
  for (auto& f : fibers) f.stack = (char*)std::aligned_alloc(64, STACK);
#if ON_TSAN
  scheduler_tsan = __tsan_get_current_fiber();
#endif
  for (unsigned b = 0; b < n_blocks; ++b) {
    block = {b};
    dynamic = (unsigned char*)std::aligned_alloc(64, (shared + 63) / 64 * 64 + 64);
    std::memset(dynamic, 0xA5, shared);
    for (unsigned k = 0; k < n_threads; ++k) {
      Fiber& f = fibers[k];
      f.index = {k}; f.done = false; f.waits = f.warp_waits = 0; f.n_barriers = f.n_warp_barriers = 0;
      void** top = (void**)(f.stack + STACK) - 8;   // rsp + 8 is a multiple of 16 at the entry
      top[6] = (void*)entry;
      for (int r = 0; r < 6; ++r) top[r] = nullptr;
      f.stack_pointer = top;
#if ON_TSAN
      f.tsan = __tsan_create_fiber(0);
#endif
    }
#if ON_TSAN
    __tsan_release(start_token);
#endif
    run_block(fibers, random);
#if ON_TSAN
    for (auto& f : fibers) __tsan_destroy_fiber(f.tsan);
    __tsan_acquire(end_token);
#endif
    std::free(dynamic);
  }
  for (auto& f : fibers) std::free(f.stack);
}
}  // namespace on_cpu

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define DYNAMIC_SHARED(name) unsigned char* const name = on_cpu::dynamic
#define threadIdx (on_cpu::thread_index())
#define blockIdx on_cpu::block
#define gridDim on_cpu::grid
#define blockDim on_cpu::block_size
#define __syncthreads() on_cpu::barrier(__LINE__)
#define __syncwarp() on_cpu::warp_barrier(__LINE__)

template <class T> inline T __ldg(const T* p) { return *p; }
template <class T, class U> inline T atomicAdd(T* p, U v) { return __atomic_fetch_add(p, (T)v, __ATOMIC_RELAXED); }
template <class T, class U> inline T atomicOr(T* p, U v) { return __atomic_fetch_or(p, (T)v, __ATOMIC_RELAXED); }
template <class T, class U> inline T atomicAnd(T* p, U v) { return __atomic_fetch_and(p, (T)v, __ATOMIC_RELAXED); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __double2int_rn(double x) { return x == x ? (int)std::nearbyint(x) : 0; }
inline void __threadfence() {}
inline void __nanosleep(unsigned) {  // blocks run one after the other: what a block waits for must have been done
  std::fprintf(stderr, "cuda_on_cpu: a block waits for another one\n");
  std::abort();
}
using std::min;
