// A kernel with a main of its own, so that nothing but it runs under a sanitizer: the device's memory comes from a file.
#pragma once
#include <fstream>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)
#define ASAN_UNPOISON_MEMORY_REGION(address, size)
#endif

int main(int argc, char** argv) {
  std::ifstream in(argv[1], std::ios::binary);
  auto number = [&] { long long x; in.read((char*)&x, 8); return x; };
  auto bytes = [&](std::vector<char>& into) { into.resize(number()); in.read(into.data(), into.size()); };
  on_cpu::order = argc > 2 ? atoi(argv[2]) : 0;
  const unsigned n_blocks = number(), shared = number();
  std::vector<char> table, file, launch_bytes;
  bytes(table);
  bytes(file);
  bytes(launch_bytes);
  char* arena = (char*)std::aligned_alloc(256, (file.size() + 255) / 256 * 256);
  memcpy(arena, file.data(), file.size());
  ASAN_POISON_MEMORY_REGION(arena, file.size());
  std::vector<std::pair<long long, long long>> parts(number());
  for (auto& part : parts) {
    part.first = number();
    part.second = number();
    ASAN_UNPOISON_MEMORY_REGION(arena + part.first, part.second);
  }
  Life* lives = (Life*)table.data();
  std::vector<int> queue(1 + table.size() / sizeof(Life));
  int* q = queue.data();
  unsigned char* a = (unsigned char*)arena;
  Launch launch;
  memcpy(&launch, launch_bytes.data(), sizeof launch);
  void* parameters[] = {&lives, &a, &q, &launch};
  emulated::Call call{parameters};
  on_cpu::launch(call_live, &call, n_blocks, THREADS, shared);
  unsigned long long hash = 1469598103934665603ull;
  auto add = [&](const char* from, long long n) {
    for (long long k = 0; k < n; ++k) hash = (hash ^ (unsigned char)from[k]) * 1099511628211ull;
  };
  for (size_t k = 0; k < table.size() / sizeof(Life); ++k) {  // weights and rates; lists of spikes have no order
    add(arena + lives[k].w, 8 * lives[k].n_w);
    printf("lived %d, status %d\n", lives[k].step, lives[k].status);
  }
  printf("hash %llx\n", hash);
  ASAN_UNPOISON_MEMORY_REGION(arena, file.size());
  std::free(arena);
}
