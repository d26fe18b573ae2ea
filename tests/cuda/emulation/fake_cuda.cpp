// A libcuda.so.1 for machines without a GPU: the calls that the engine makes, with "device memory" that the host cannot
// touch and kernels that are the same source, compiled as C++ (cuda_on_cpu.h). A module is found by the name that its
// image holds: "FAKE" and the path of a shared library.
#include <dlfcn.h>
#include <sys/mman.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#define API extern "C" int

static const size_t PAGE = 4096;
static const int SHARED_LIMIT = 232448, MULTIPROCESSORS = 3;
static std::map<uint64_t, size_t> blocks;  // address -> bytes as asked
static std::map<void*, int> dynamic_limit;
static long long n_launches = 0, n_blocks_launched = 0;

static size_t round_up(size_t n) { return (n + PAGE - 1) / PAGE * PAGE; }
static char* page_of(uint64_t address) { return (char*)(address / PAGE * PAGE); }
static void open_all(bool open) {
    for (auto& b : blocks) mprotect(page_of(b.first), round_up(b.second), open ? PROT_READ | PROT_WRITE : PROT_NONE);
}
static bool inside(uint64_t a, size_t n) {
    auto b = blocks.upper_bound(a);
    if (b == blocks.begin()) return false;
    --b;
    return a >= b->first && a + n <= b->first + b->second;
}
static size_t environment(const char* name, size_t otherwise) {
    const char* found = getenv(name);
    return found ? strtoull(found, nullptr, 10) : otherwise;
}

API cuInit(unsigned flags) { return flags ? 1 : 0; }
API cuDriverGetVersion(int* v) { *v = 13000; return 0; }
API cuDeviceGetCount(int* n) { *n = (int)environment("FAKE_CUDA_CARDS", 1); return 0; }
API cuDeviceGet(int* d, int i) { *d = i; return i < (int)environment("FAKE_CUDA_CARDS", 1) ? 0 : 101; }
API cuDeviceGetName(char* name, int n, int) { snprintf(name, n, "no GPU (emulation)"); return 0; }
API cuDevicePrimaryCtxRetain(void** c, int) { *c = (void*)1; return 0; }
API cuCtxSetCurrent(void* c) { return c == (void*)1 ? 0 : 201; }
API cuDeviceGetAttribute(int* v, int which, int) {
    *v = which == 16 ? MULTIPROCESSORS : which == 75 ? 9 : which == 76 ? 0 : which == 97 ? SHARED_LIMIT : -1;
    return *v < 0 ? 1 : 0;
}
API cuGetErrorString(int e, const char** s) {
    *s = e == 700 ? "illegal address" : e == 1 ? "invalid value" : e == 2 ? "out of memory"
         : e == 719 ? "launch failed" : "error";
    return 0;
}
API cuMemGetInfo_v2(size_t* free, size_t* total) {
    *free = *total = environment("FAKE_CUDA_MEMORY", (size_t)1 << 30);
    return 0;
}
API cuMemAlloc_v2(uint64_t* p, size_t n) {  // ends at a guard page (to 256 bytes, as a GPU aligns); begins as garbage
    if (!n) return 1;
    if (n > environment("FAKE_CUDA_MEMORY", (size_t)1 << 30)) return 2;
    const size_t whole = round_up(n);
    char* m = (char*)mmap(nullptr, whole + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 0xA5, whole);
    mprotect(m + whole, PAGE, PROT_NONE);
    *p = (uint64_t)m + (whole - n) / 256 * 256;
    blocks[*p] = n;
    mprotect(m, whole, PROT_NONE);
    return 0;
}
API cuMemFree_v2(uint64_t p) {
    auto b = blocks.find(p);
    if (b == blocks.end()) return 1;
    munmap(page_of(p), round_up(b->second) + PAGE);
    blocks.erase(b);
    return 0;
}
API cuMemcpyHtoD_v2(uint64_t d, const void* h, size_t n) {
    if (!inside(d, n)) return 1;
    open_all(true);
    memcpy((void*)d, h, n);
    open_all(false);
    return 0;
}
API cuMemcpyDtoH_v2(void* h, uint64_t d, size_t n) {
    if (!inside(d, n)) return 1;
    open_all(true);
    memcpy(h, (void*)d, n);
    open_all(false);
    return 0;
}
API cuMemsetD8_v2(uint64_t d, unsigned char value, size_t n) {
    if (!inside(d, n)) return 1;
    open_all(true);
    memset((void*)d, value, n);
    open_all(false);
    return 0;
}
API cuModuleLoadData(void** m, const void* image) {
    const char* e = (const char*)image;
    if (memcmp(e, "FAKE", 4)) return 200;
    *m = dlopen(e + 4, RTLD_NOW | RTLD_LOCAL);
    if (!*m) fprintf(stderr, "%s\n", dlerror());
    return *m ? 0 : 200;
}
API cuModuleGetFunction(void** f, void* m, const char* name) {  // attributes are forgotten, as a new module's are
    *f = dlsym(m, (std::string("run_") + name).c_str());
    dynamic_limit.erase(*f);
    return *f ? 0 : 500;
}
API cuFuncSetAttribute(void* f, int which, int v) {
    if (which != 8 || v > SHARED_LIMIT) return 1;
    dynamic_limit[f] = v;
    return 0;
}
static int limit_of(void* f) { return dynamic_limit.count(f) ? dynamic_limit[f] : 48 << 10; }
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void* f, int, size_t shared) {
    *n = (int)shared > limit_of(f) ? 0 : 1;
    return 0;
}
// A kernel says how many of its first parameters are addresses.
API cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void*, void** params, void** extra) {
    if (!gx || gy != 1 || gz != 1 || by != 1 || bz != 1 || (int)shared > limit_of(f) || extra) return 1;
    typedef int (*Run)(void**, unsigned, unsigned, unsigned, bool);
    const int n_addresses = ((Run)f)(params, gx, bx, shared, false);
    for (int k = 0; k < n_addresses; ++k)
        if (!inside(*(uint64_t*)params[k], 1)) return 700;
    ++n_launches;
    n_blocks_launched += gx;
    open_all(true);
    const int result = ((Run)f)(params, gx, bx, shared, true);
    open_all(false);
    return result;
}
API cuCtxSynchronize() { return 0; }

extern "C" long long fake_launches() { return n_launches; }
extern "C" long long fake_blocks_launched() { return n_blocks_launched; }
extern "C" long long fake_allocations() { return (long long)blocks.size(); }
