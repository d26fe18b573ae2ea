// What is recorded of a step, in its first half.

// By one thread: rates, whether one has left its band, numbers of spikes, whether the log has room for the next step.
__device__ __forceinline__ void record_numbers(const Block& b, int t, double* rate_hz, int& logged) {
    const Life& life = b.s.life;
    float* const rates = b.at<float>(life.rates);
    int* const series = b.at<int>(life.series);
    #pragma unroll
    for (int r = 0; r < N_RATES; ++r) {
        rate_hz[r] = rate_hz[r] * life.rate_decay[r] + group_at(b, life.rate_group[r], t).n * life.hz_per_spike[r];
        if (t >= life.rate_window[r][0] && t < life.rate_window[r][1])
            rates[life.rate_first[r] + t - life.rate_window[r][0]] = (float)rate_hz[r];
        if (!(rate_hz[r] > life.low[r] && rate_hz[r] < life.high[r])) atomicOr(&b.s.ended, LEFT_BAND);
    }
    for (int r = 0; r < N_SERIES; ++r)
        if (t >= life.series_window[r][0] && t < life.series_window[r][1])
            series[life.series_first[r] + t - life.series_window[r][0]] = group_at(b, life.series_group[r], t).n;
    int needed = 0;
    for (int r = 0; r < N_TRAINS; ++r) {
        if (t >= life.train_window[r][0] && t < life.train_window[r][1]) logged += group_at(b, life.train_group[r], t).n;
        needed += life.train_room[r];
    }
    b.s.full = logged + needed > life.log_capacity;
}

__device__ __forceinline__ void record_spikes(const Block& b, int t) {
    const Life& life = b.s.life;
    for (int r = 0; r < N_COUNTS; ++r) {
        if (t < life.count_window[r][0] || t >= life.count_window[r][1]) continue;
        const List spikes = group_at(b, life.count_group[r], t);
        #pragma unroll 1
        for (int s = b.tid; s < spikes.n; s += THREADS)
            atomicAdd(b.at<int>(life.counts) + life.count_first[r] + spikes.at[s], 1);
    }
    for (int r = 0; r < N_TRAINS; ++r) {
        if (t < life.train_window[r][0] || t >= life.train_window[r][1]) continue;
        const List spikes = group_at(b, life.train_group[r], t);
        #pragma unroll 1
        for (int s = b.tid; s < spikes.n; s += THREADS)
            if (spikes.at[s] < life.train_n[r]) {
                int* const entry = b.at<int>(life.logged) + 3 * atomicAdd(&b.s.n_logged, 1);
                entry[0] = r;
                entry[1] = t;
                entry[2] = spikes.at[s];
            }
    }
    if (COUNTED_GROUP >= 0) {
        const List spikes = group_at(b, COUNTED_GROUP, t);
        #pragma unroll 1
        for (int s = b.tid; s < spikes.n; s += THREADS) atomicAdd(b.at<int>(life.since) + spikes.at[s], 1);
    }
}
