// Which neuron connects to which, and the weights at the start of life: one block a pathway of one seed, a thread a row.
// Row by row the same synapses as on the cpu (simulation/spiking/wiring.py); within a column they lie in any order,
// on which nothing depends.

__device__ __forceinline__ int next_target(const Drawn& d, double u, int i) {
    return i + 1 + (int)fmin(log(u) * d.scale, 2147483000.0 - d.n_post);
}

// The targets of row j, into `target` from place n on if they are wanted; the place after the last.
__device__ __forceinline__ int draw_row(const Drawn& d, int j, INDEX* target, int n, int capacity) {
    int i = -1;
    for (unsigned long long k = 0;; ++k) {
        double pair[2] = {0.0, 0.0};
        if (!d.all) uniform_pair(d.seed, d.stream, ((unsigned long long)j << 32) + k, pair);
        #pragma unroll
        for (int half = 0; half < 2; ++half) {
            i = d.all ? i + 1 : next_target(d, pair[half], i);
            if (i >= d.n_post) return n;
            if (d.recurrent && i == j) continue;
            if (target && n < capacity) target[n] = (INDEX)i;
            ++n;
        }
    }
}

// first[1 .. n] hold numbers; they become where each of n parts begins and first[n] the end, from `base` on, at most
// `most`.
__device__ void make_starts(int* first, int n, int base, int most, long long* sums) {
    const int tid = threadIdx.x, each = (n + THREADS - 1) / THREADS;
    const int a = min(n, tid * each), b = min(n, a + each);
    long long sum = 0;
    for (int k = a; k < b; ++k) sum += first[k + 1];
    sums[tid] = sum;
    __syncthreads();
    if (tid == 0) {
        long long before = 0;
        for (int k = 0; k < THREADS; ++k) {
            const long long own = sums[k];
            sums[k] = before;
            before += own;
        }
    }
    __syncthreads();
    long long place = sums[tid];
    for (int k = a; k < b; ++k) {
        place += first[k + 1];
        first[k + 1] = base + (int)min(place, (long long)most);
    }
    if (tid == 0) first[0] = base;
    __syncthreads();
}

extern "C" __global__ void wire(const Drawn* pathways, unsigned char* arena) {
    DYNAMIC_SHARED(memory);
    long long* const sums = (long long*)memory;
    const Drawn d = pathways[blockIdx.x];
    int* const row_start = (int*)(arena + d.row_start);
    INDEX* const target = (INDEX*)(arena + d.target) + d.first;
    const int tid = threadIdx.x;
    if (d.random) {
        for (int j = tid; j < d.n_pre; j += THREADS) row_start[j + 1] = draw_row(d, j, nullptr, 0, 0);
        __syncthreads();
        make_starts(row_start, d.n_pre, d.first, d.capacity, sums);
        for (int j = tid; j < d.n_pre; j += THREADS) draw_row(d, j, target, row_start[j] - d.first, d.capacity);
        __syncthreads();
    }
    if (!d.plastic) return;
    int* const column_start = (int*)(arena + d.column_start);
    INDEX* const source = (INDEX*)(arena + d.column_source) + d.first_column;
    unsigned* const synapse = (unsigned*)(arena + d.column_synapse) + d.first_column;
    const int n = row_start[d.n_pre] - d.first;
    for (int i = tid; i <= d.n_post; i += THREADS) column_start[i] = 0;
    __syncthreads();
    for (int s = tid; s < n; s += THREADS) atomicAdd(&column_start[target[s] + 1], 1);
    __syncthreads();
    make_starts(column_start, d.n_post, d.first_column, d.capacity, sums);
    for (int i = tid; i < d.n_post; i += THREADS) ((int*)(arena + d.scratch))[i] = column_start[i];
    __syncthreads();
    for (int j = tid; j < d.n_pre; j += THREADS)
        for (int s = row_start[j] - d.first; s < row_start[j + 1] - d.first; ++s) {
            const int place = atomicAdd((int*)(arena + d.scratch) + target[s], 1) - d.first_column;
            source[place] = (INDEX)j;
            synapse[place] = (unsigned)s;
        }
}

// One block a plastic pathway of one life under one rule.
extern "C" __global__ void weigh(const Weighed* pathways, unsigned char* arena) {
    const Weighed d = pathways[blockIdx.x];
    const int* const row_start = (const int*)(arena + d.row_start);
    const double* const initial = (const double*)(arena + d.initial);
    double* const w = (double*)(arena + d.w) - row_start[0];
    for (int j = threadIdx.x / 32; j < d.n_pre; j += THREADS / 32)
        for (int s = row_start[j] + threadIdx.x % 32; s < row_start[j + 1]; s += 32) w[s] = initial[j];
}
