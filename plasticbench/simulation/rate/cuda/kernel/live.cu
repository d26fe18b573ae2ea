// One life of a rate network per thread block, from its first presentation to its last, in one launch.
//
// Every number is computed by one thread, in the order of the cpu engine, so that the bits are the same (but for
// functions such as exp); threads share out outputs, items and synapses. `numbers` and `integers` are one allocation
// each; a Launch says where in them an array begins.

struct Place {
    double* x;  // of this life's seed
    double *w, *u, *dw, *du, *y, *m, *value, *fresh;
    const double *parameters, *rates;
};

#define EACH(i, n) for (int i = threadIdx.x; i < (n); i += THREADS)

__device__ __forceinline__ double dot(const double* a, const double* add, const double* b) {  // of a + add and b
    double t0 = 0.0, t1 = 0.0, t2 = 0.0, t3 = 0.0;
    const int whole = N_IN / 4 * 4;
    for (int j = 0; j < whole; j += 4) {
        t0 += (add ? a[j] + add[j] : a[j]) * b[j];
        t1 += (add ? a[j + 1] + add[j + 1] : a[j + 1]) * b[j + 1];
        t2 += (add ? a[j + 2] + add[j + 2] : a[j + 2]) * b[j + 2];
        t3 += (add ? a[j + 3] + add[j + 3] : a[j + 3]) * b[j + 3];
    }
    for (int j = whole; j < N_IN; ++j) t0 += (add ? a[j] + add[j] : a[j]) * b[j];
    return (t0 + t1) + (t2 + t3);
}

__device__ void present_batch(const Place& p) {  // a thread computes all outputs of its items
    EACH(s, N_ITEMS) {
        for (int i = 0; i < N_OUT; ++i) {
            double y = 0.0;
            for (int j = 0; j < N_IN; ++j) y += p.w[i * N_IN + j] * p.x[j * N_ITEMS + s];
            for (int k = 0; k < i && LATERAL; ++k) y += p.u[i * N_OUT + k] * p.y[k * N_ITEMS + s];
            p.y[i * N_ITEMS + s] = TANH ? tanh(y) : y;
        }
    }
}

__device__ void present_item(const Place& p, const double* w1, const double* b1) {
    EACH(i, N_OUT) {
        const double drive = dot(p.w + i * N_IN, SIGMOID ? w1 + i * N_IN : nullptr, p.x);
        p.y[i] = SIGMOID ? 1.0 / (1.0 + exp(-(drive + b1[i]))) : TANH && !LATERAL ? tanh(drive) : drive;
    }
    if (!LATERAL) return;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int i = 0; i < N_OUT; ++i) {
            for (int k = 0; k < i; ++k) p.y[i] += p.u[i * N_OUT + k] * p.y[k];
            if (TANH) p.y[i] = tanh(p.y[i]);
        }
}

// Whether every row of w + dw stays within the limit; `sound` is the block's.
__device__ __forceinline__ void check_rows(const double* w, const double* dw, int n_pre, double limit, int* sound) {
    EACH(i, N_OUT) {
        double square = 0.0;
        for (int j = 0; j < n_pre; ++j) {
            const double changed = w[i * n_pre + j] + dw[i * n_pre + j];
            square += changed * changed;
        }
        if (!(square <= limit * limit)) atomicAnd(sound, 0);
    }
}

__device__ __forceinline__ void copy(double* to, const double* from, int n) { EACH(k, n) to[k] = from[k]; }

__device__ __forceinline__ void sample(const Place& p, double* numbers, const Launch& at, int life, int place) {
    copy(numbers + at.w_sampled + ((long long)life * at.n_samples + place) * (N_OUT * N_IN), p.w, N_OUT * N_IN);
    if (LATERAL)
        copy(numbers + at.u_sampled + ((long long)life * at.n_samples + place) * (N_OUT * N_OUT), p.u, N_OUT * N_OUT);
}

__device__ __forceinline__ void begin(const Place& p, const double* numbers, const Launch& at, int seed) {
    copy(p.w, numbers + at.w_init + (long long)seed * (N_OUT * N_IN), N_OUT * N_IN);
    if (LATERAL) copy(p.u, numbers + at.u_init + (long long)seed * (N_OUT * N_OUT), N_OUT * N_OUT);
}

extern "C" __global__ void __launch_bounds__(THREADS)
live_rates(double* numbers, int* integers, Launch at) {
    DYNAMIC_SHARED(shared);
    int* const sound = (int*)shared;
    const int life = blockIdx.x, rule = (at.first + life) / at.n_seeds, seed = (at.first + life) % at.n_seeds;
    const int slow = at.n_slow > 1 ? rule : 0;
    Place p;
    p.w = numbers + at.w + (long long)life * (N_OUT * N_IN);
    p.u = numbers + at.u + (long long)life * (LATERAL * N_OUT * N_OUT);
    p.dw = numbers + at.dw + (long long)life * (N_OUT * N_IN);
    p.du = numbers + at.du + (long long)life * (LATERAL * N_OUT * N_OUT);
    p.y = numbers + at.y + (long long)life * (N_OUT * N_ITEMS);
    p.m = numbers + at.m + (long long)life * N_OUT;
    p.value = numbers + at.value + (long long)life * N_KEPT;
    p.fresh = numbers + at.fresh + (long long)life * N_KEPT;
    p.parameters = numbers + at.parameters + (long long)rule * (2 * N_PARAMETERS);
    p.rates = numbers + at.rates + (long long)rule * (2 * N_RATES);
    const double* const x = numbers + at.x + (long long)seed * at.n_items * N_IN;
    p.x = (double*)x;
    begin(p, numbers, at, seed);
    EACH(i, N_OUT) p.m[i] = 0.0;
    EACH(k, N_KEPT) p.value[k] = p.fresh[k] = 0.0;
    if (threadIdx.x == 0) *sound = 1;
    __syncthreads();
    int t = 0;
    for (; t < at.n_steps; ++t) {
        const int again = integers[at.anew + (long long)seed * at.n_steps + t];  // the same for all threads
        if (again) {
            EACH(k, N_KEPT) p.value[k] = 0.0;
            if (again == MEMORY_AND_WEIGHTS) begin(p, numbers, at, seed);
            __syncthreads();
        }
        const int sampled = integers[at.sampled_at + t], delivery = integers[at.delivery + t];
        if (sampled >= 0) sample(p, numbers, at, life, sampled);
        EACH(k, N_OUT * N_IN) p.dw[k] = 0.0;
        if (LATERAL) {
            EACH(k, N_OUT * N_OUT) p.du[k] = 0.0;
        }
        if (STREAM) {
            p.x = (double*)x + (long long)integers[at.order + (long long)seed * at.n_steps + t] * N_IN;
            present_item(p, numbers + at.w1 + (long long)slow * (N_OUT * N_IN), numbers + at.b1 + slow * N_OUT);
        } else {
            present_batch(p);
        }
        __syncthreads();
        if (SIGMOID && threadIdx.x == 0) {
            double logit = numbers[at.b2 + slow];
            for (int i = 0; i < N_OUT; ++i) logit += numbers[at.w2 + slow * N_OUT + i] * p.y[i];
            numbers[at.readout + (long long)life * at.n_steps + t] = logit;
        }
        if (delivery >= 0) {
            if (threadIdx.x == 0)
                deliver(p, numbers[at.signals + seed * at.n_deliveries + delivery],
                        numbers + at.modulation + ((long long)life * at.n_deliveries + delivery) * N_OUT);
            __syncthreads();
        }
        change(p, integers[at.acting + 2 * t], integers[at.acting + 2 * t + 1], delivery >= 0);
        __syncthreads();
        settle(p);
        check_rows(p.w, p.dw, N_IN, at.limit, sound);
        if (LATERAL) check_rows(p.u, p.du, N_OUT, at.limit, sound);
        __syncthreads();
        if (!*sound) break;  // the same for all threads, and written before the barrier only
        EACH(k, N_OUT * N_IN) p.w[k] += p.dw[k];
        if (LATERAL) {
            EACH(k, N_OUT * N_OUT) p.u[k] += p.du[k];
        }
        EACH(i, N_OUT) p.m[i] = 0.0;
        EACH(k, N_KEPT) p.fresh[k] = 0.0;
        __syncthreads();
    }
    if (t == at.n_steps && integers[at.sampled_at + t] >= 0) sample(p, numbers, at, life, integers[at.sampled_at + t]);
    if (threadIdx.x == 0) {
        integers[at.lived + life] = t;
        integers[at.blown_up + life] = t < at.n_steps;
    }
}
