// Input spikes, drawn for many steps at once: a pure function of seed, process and step, but for modulated sources,
// whose processes remember and are each drawn by one thread. Lists hold the order of the cpu engine, but for those.

__device__ __forceinline__ int drawn(const Block& b, const Process& q, int t, double skip, double none_below,
                                     INDEX* spikes, int n, int* ready) {
    if (skip == 0.0) return n;
    int i = -1;
    unsigned long long counter = (unsigned long long)t << 20;
    for (;; ++counter) {
        double pair[2];
        uniform_pair(b.s.life.seed, q.stream, counter, pair);
        #pragma unroll
        for (int half = 0; half < 2; ++half) {
            if (pair[half] < none_below) return n;
            i += 1 + (int)fmin(log(pair[half]) * skip, 2147483000.0 - q.n_afferents);
            if (i >= q.n_afferents) return n;
            const int afferent = q.first + i;
            if (ready) {
                if (t < ready[afferent]) continue;
                ready[afferent] = t + q.refractory;
            }
            spikes[n++] = (INDEX)afferent;
        }
    }
}

// The last of rows first .. last - 1 whose step is at most t; first - 1 if none is.
__device__ __forceinline__ int row_at(const int* row_step, int first, int last, int t) {
    while (first < last) {
        const int middle = first + (last - first) / 2;
        if (row_step[middle] <= t) first = middle + 1; else last = middle;
    }
    return first - 1;
}

__device__ __noinline__ void draw_step(const Block& b, int t) {
    const Process* processes = b.at<Process>(b.s.life.process);
    const int* row_step = b.at<int>(b.s.life.row_step);
    int n = 0, source = -1;
    INDEX* spikes = nullptr;
    for (int k = 0; k < N_PROCESSES; ++k) {
        const Process q = processes[k];
        if (q.kind == MODULATED) continue;
        if (q.source != source) {
            if (source >= 0) b.s.n_inputs[INPUT_SLOT(t)][source] = n;
            source = q.source;
            n = 0;
            spikes = b.at<INDEX>(b.s.life.input) + INPUT_SLOT(t) * INPUT_CAPACITY + q.list_first;
        }
        if (t < q.start || t >= q.stop) continue;
        const int row = row_at(row_step, q.row, q.row_end, t);
        if (row < q.row) continue;
        if (q.kind == GIVEN) {
            for (int r = row; r >= q.row && row_step[r] == t; --r)
                spikes[n++] = (INDEX)b.at<int>(b.s.life.row_afferent)[r];
        } else {
            const double skip = b.at<double>(b.s.life.row_skip)[row];
            n = drawn(b, q, t, skip, b.at<double>(b.s.life.row_none_below)[row], spikes, n, nullptr);
        }
    }
    if (source >= 0) b.s.n_inputs[INPUT_SLOT(t)][source] = n;
}

// One group of a modulated source, for steps first .. first + INPUTS_AHEAD - 1; its spikes of a step are at most its
// afferents and have a place of their own in the list, which is closed up by `draw`.
__device__ __noinline__ void draw_modulated(const Block& b, const Process& q, int k, int first) {
    double signal = b.at<double>(b.s.life.signal)[k];
    int* const ready = b.at<int>(b.s.life.input_ready) + q.list_first;
    INDEX found[MODULATED_ROOM];
    for (int t = first; t < first + INPUTS_AHEAD; ++t) {
        const unsigned long long index = (unsigned long long)t * 1024 + q.signal_index;
        const double noise = uniform_at(b.s.life.seed, q.signal_stream, index) - 0.5;
        signal = noise - (noise - signal) * q.signal_decay;
        const double p = fmin(q.base + fmax(0.0, q.modulation * signal), 0.999);
        const int n = drawn(b, q, t, p > 0.0 ? 1.0 / log1p(-p) : 0.0, 0.0, found, 0, ready);
        const int place = atomicAdd(&b.s.n_inputs[INPUT_SLOT(t)][q.source], n);
        INDEX* const spikes = b.at<INDEX>(b.s.life.input) + INPUT_SLOT(t) * INPUT_CAPACITY + q.list_first + place;
        for (int s = 0; s < n; ++s) spikes[s] = found[s];
    }
    b.at<double>(b.s.life.signal)[k] = signal;
}

// The counts that `draw` of steps from `first` on will add to.
__device__ __forceinline__ void clear_inputs(const Block& b, int first) {
    for (int n = b.tid; n < INPUTS_AHEAD * N_SOURCES; n += THREADS)
        b.s.n_inputs[INPUT_SLOT(first + n / N_SOURCES_)][n % N_SOURCES_] = 0;
}

__device__ __forceinline__ void draw(const Block& b, int first) {
    const Process* processes = b.at<Process>(b.s.life.process);
    for (int n = b.tid; n < INPUTS_AHEAD; n += THREADS) draw_step(b, first + n);
    for (int k = THREADS - 1 - b.tid; k < N_PROCESSES; k += THREADS)
        if (processes[k].kind == MODULATED) draw_modulated(b, processes[k], k, first);
}
