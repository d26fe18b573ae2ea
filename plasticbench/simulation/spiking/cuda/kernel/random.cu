// The draws of simulation/random.py: Philox-4x32-10, a pure function of seed, stream and index.

__device__ __forceinline__ void philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0, unsigned k1,
                                       unsigned out[4]) {
    #pragma unroll
    for (int i = 0; i < 10; ++i) {
        const unsigned long long p0 = (unsigned long long)c0 * 0xD2511F53u, p1 = (unsigned long long)c2 * 0xCD9E8D57u;
        const unsigned n0 = (unsigned)(p1 >> 32) ^ c1 ^ k0, n2 = (unsigned)(p0 >> 32) ^ c3 ^ k1;
        c1 = (unsigned)p1;
        c3 = (unsigned)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

__device__ __forceinline__ double to_unit(unsigned high, unsigned low) {
    const unsigned long long bits = ((unsigned long long)high << 20) | (low >> 12);
    return ((double)bits + 0.5) * 2.220446049250313e-16;
}

// Two doubles in (0, 1).
__device__ __forceinline__ void uniform_pair(unsigned long long seed, unsigned stream, unsigned long long index,
                                             double pair[2]) {
    unsigned r[4];
    philox((unsigned)index, (unsigned)(index >> 32), stream, 0u, (unsigned)seed, (unsigned)(seed >> 32), r);
    pair[0] = to_unit(r[0], r[1]);
    pair[1] = to_unit(r[2], r[3]);
}

// The first of a pair.
__device__ __forceinline__ double uniform_at(unsigned long long seed, unsigned stream, unsigned long long index) {
    double pair[2];
    uniform_pair(seed, stream, index, pair);
    return pair[0];
}

// The draw of neuron i of a population that spikes at random, at step t.
__device__ __forceinline__ double spike_draw(unsigned long long seed, unsigned stream, int t, int i) {
    return uniform_at(seed, stream, (unsigned long long)t << 32 | (unsigned)i);
}
