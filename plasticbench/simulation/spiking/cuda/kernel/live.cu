// One life of a spiking network per thread block; its whole life, or a chunk of it, inside one launch.
//
// Barriers a step: two. First half: records, neurons leave refractoriness, presynaptic traces count the step before,
// spikes arrive and `on_pre`. Second half: `on_post`, postsynaptic traces, and the neurons of the next step. Whatever
// two threads may add to in the same half is an integer: sums do not depend on the order, so the same seed gives the
// same bits on every run, block size and device. A flag that decides leaving the loop is written in one half and read
// in the other.

struct Counter {  // of spikes in the log, and rates: of one thread, the recorder
    double rate_hz[N_RATES_];
    int logged;
};

__device__ __forceinline__ void restore(const Block& b, int first) {
    const Life& life = b.s.life;
    for (int n = b.tid; n < N_SUMS; n += THREADS) b.sums[n] = b.at<int>(life.sums)[n];
    for (int n = b.tid; n < SLOTS * N_POPULATIONS; n += THREADS)
        (&b.s.n_spikes[0][0])[n] = n / N_POPULATIONS == SLOT(first) ? 0 : b.at<int>(life.ring_n)[n];
    for (int n = b.tid; n < INPUT_SLOTS * N_SOURCES; n += THREADS)
        (&b.s.n_inputs[0][0])[n] = b.at<int>(life.input_n)[n];
    b.s.held[b.tid] = b.at<unsigned>(life.held)[b.tid];
    for (int x = b.tid; x < N_FILTERS; x += THREADS) {
        const double unit = b.at<double>(life.unit)[x];
        b.s.unit[first & 1][x] = unit;
        b.s.one[first & 1][x] = 1.0 / unit;
    }
    if (b.tid == 0) {
        b.s.ended = b.s.nan_voltage = b.s.bad_weight = b.s.full = 0;
        b.s.n_logged = life.n_logged;
    }
}

__device__ __forceinline__ void keep(const Block& b, Life& out, int t, int outcome, const Counter& counter) {
    const Life& life = b.s.life;
    for (int n = b.tid; n < N_SUMS; n += THREADS) b.at<int>(life.sums)[n] = b.sums[n];
    for (int n = b.tid; n < SLOTS * N_POPULATIONS; n += THREADS)
        b.at<int>(life.ring_n)[n] = (&b.s.n_spikes[0][0])[n];
    for (int n = b.tid; n < INPUT_SLOTS * N_SOURCES; n += THREADS)
        b.at<int>(life.input_n)[n] = (&b.s.n_inputs[0][0])[n];
    b.at<unsigned>(life.held)[b.tid] = b.s.held[b.tid];
    for (int x = b.tid; x < N_FILTERS; x += THREADS) b.at<double>(life.unit)[x] = b.s.unit[t & 1][x];
    if (b.tid == RECORDER) {
        for (int r = 0; r < N_RATES; ++r) out.rate_hz[r] = counter.rate_hz[r];
        out.step = t;
        out.n_logged = b.s.n_logged;
        if (outcome) out.status = outcome;
    }
}

// The units of traces at the next step; 1 again where numbers stored in them would overflow.
__device__ __forceinline__ void next_units(const Block& b, int t) {
    for (int x = b.tid; x < N_FILTERS; x += THREADS) {
        const double next = b.s.unit[t & 1][x] * b.s.life.decay[x];
        b.s.unit[(t + 1) & 1][x] = next;
        b.s.one[(t + 1) & 1][x] = 1.0 / next;
    }
}

__device__ __forceinline__ int renewal_is_due(const Block& b, int t) {
    int due = 0;
    for (int x = 0; x < N_FILTERS; ++x) due |= b.s.unit[t & 1][x] * b.s.life.decay[x] < SMALLEST_UNIT;
    return due;
}

__device__ __noinline__ void renew(const Block& b, int t) {
    const int now = (t + 1) & 1;
    for (int x = 0; x < N_FILTERS; ++x) {
        const double unit = b.s.unit[now][x];
        if (!(unit < SMALLEST_UNIT)) continue;
        float* const stored = b.at<float>(b.s.life.value);
        for (int i = b.s.life.filter_first[x] + b.tid; i < b.s.life.filter_first[x + 1]; i += THREADS) {
            const double value = (double)stored[i] * unit;
            stored[i] = fabs(value) > TINY ? (float)value : 0.0f;
        }
    }
    __syncthreads();
    for (int x = b.tid; x < N_FILTERS; x += THREADS)
        if (b.s.unit[now][x] < SMALLEST_UNIT) b.s.unit[now][x] = b.s.one[now][x] = 1.0;
}

__device__ __forceinline__ void first_half(const Block& b, int t, bool& counted, Counter& counter) {
    if (b.tid == RECORDER) {
        record_numbers(b, t, counter.rate_hz, counter.logged);
        for (int q = 0; q < N_POPULATIONS; ++q) b.s.n_spikes[SLOT(t + 1)][q] = 0;
        b.s.renew = renewal_is_due(b, t);
    }
    if (((t + 1) & AHEAD_MASK) == 0) clear_inputs(b, t + 1);
    release(b, t);
    record_spikes(b, t);
    if (!counted) {
        count_presynaptic(b, t - 1);
        SPIKES_MAY_REPEAT_BARRIER
    }
    counted = false;
    arrive(b, t);
}

__device__ __forceinline__ void second_half(const Block& b, int t, bool& counted) {
    const bool delivers = t == b.s.life.deliver_step;
    follow(b, t, !delivers);
    if (delivers) {  // of the modulator; the same for all threads
        __syncthreads();
        modulate(b, t);
        __syncthreads();
        count_postsynaptic(b, t);
    }
    next_units(b, t);
    if (b.s.renew) {  // the same for all threads; once in many thousand steps
        __syncthreads();
        count_presynaptic(b, t);
        counted = true;
        __syncthreads();
        renew(b, t);
        __syncthreads();
    }
}

// Asked once, when a life is over; the same for all threads.
__device__ __forceinline__ bool all_weights_finite(const Block& b) {
    const double* const w = b.at<double>(b.s.life.w);
    for (long long n = b.tid; n < b.s.life.n_w; n += THREADS)
        if (!(fabs(w[n]) <= 1.7976931348623157e308)) atomicOr(&b.s.bad_weight, 1);
    __syncthreads();
    return !b.s.bad_weight;
}

// Steps from where the life stands, at most launch.chunk of them.
__device__ __forceinline__ void live_on(const Block& b, Life& out, const Launch& launch) {
    const Life& life = b.s.life;
    const int first = life.step;
    int until = life.until - first > launch.chunk ? first + launch.chunk : life.until;
    Counter counter;
    counter.logged = life.n_logged;
    for (int r = 0; r < N_RATES; ++r) counter.rate_hz[r] = life.rate_hz[r];
    restore(b, first);
    if ((first & AHEAD_MASK) == 0) {
        __syncthreads();  // after the counts of before have been restored
        clear_inputs(b, first);
    }
    Neurons x;
    load_neurons(x, b);
    bool counted = true;  // whether presynaptic traces have counted the arrivals of the step before
    int outcome = ALIVE, t = first - 1;
    __syncthreads();
    for (; t < until && !outcome; ++t) {  // the first turn, of the step before, has no events
        int leaving = 0;
        if (t >= first) {
            first_half(b, t, counted, counter);
            __syncthreads();
            leaving = b.s.ended;
            if (b.s.full) until = t + 1;
            second_half(b, t, counted);
        }
        if (t + 1 < until) {
            if (((t + 1) & AHEAD_MASK) == 0) draw(b, t + 1);
            if (!leaving) step_neurons(x, b, t + 1, launch);
        }
        __syncthreads();
        outcome = leaving ? (leaving & LEFT_BAND ? LEFT_BAND : NOT_FINITE) : b.s.nan_voltage ? NOT_FINITE : ALIVE;
    }
    if (!counted) count_presynaptic(b, t - 1);
    store_neurons(x, b);
    if (!outcome && t == life.n_steps) outcome = all_weights_finite(b) ? ALIVE : NOT_FINITE;
    keep(b, out, t, outcome, counter);
}

// A queue of chunks: ticket k is the (k / n_lives)-th chunk of life k % n_lives, which begins when the one before ended.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
live(Life* lives, unsigned char* arena, int* queue, const Launch launch) {
    DYNAMIC_SHARED(memory);
    Shared& s = *(Shared*)memory;
    const int tid = threadIdx.x;
    const Block b{arena, s, (int*)(memory + sizeof(Shared)), tid, tid & 31, tid >> 5};
    for (;;) {
        if (tid == 0) s.ticket = atomicAdd(&queue[0], 1);
        __syncthreads();
        const int ticket = s.ticket;
        if (ticket >= launch.n_lives * launch.n_rounds) return;
        const int which = ticket % launch.n_lives, round = ticket / launch.n_lives;
        if (tid == 0)
            while (atomicAdd(&queue[1 + which], 0) < round) __nanosleep(1000);
        __syncthreads();
        __threadfence();
        for (int n = tid; n < (int)(sizeof(Life) / 4); n += THREADS)
            ((unsigned*)&s.life)[n] = ((const unsigned*)&lives[which])[n];
        __syncthreads();
        if (s.life.status == ALIVE && s.life.step < s.life.until && s.life.n_logged + s.life.log_needed <= s.life.log_capacity)
            live_on(b, lives[which], launch);
        __threadfence();
        __syncthreads();
        if (tid == 0) atomicAdd(&queue[1 + which], 1);
    }
}
