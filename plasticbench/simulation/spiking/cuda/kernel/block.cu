// What every thread of a block works with: one life, its state in global memory (offsets into one arena), the spikes
// of the last steps.

#define SLOT(t) ((t) & (SLOTS - 1))
#define INPUT_SLOT(t) ((t) & (INPUT_SLOTS - 1))
#define WARPS (THREADS / 32)
#define AHEAD_MASK (INPUTS_AHEAD - 1)
enum { ALIVE, LEFT_BAND, NOT_FINITE };

struct Block {
    unsigned char* arena;
    Shared& s;
    int* sums;  // of arrivals since the neurons' last step, in fixed point
    int tid, lane, warp;

    template <class T> __device__ __forceinline__ T* at(long long offset) const { return (T*)(arena + offset); }
};

// Spikes of one group in one step: indices within the group, in no particular order.
struct List {
    const INDEX* at;
    int n;
};

__device__ __forceinline__ List neurons_at(const Block& b, int population, int first, int t) {
    const int slot = SLOT(t);
    return {b.at<INDEX>(b.s.life.ring) + slot * N_NEURONS + first, b.s.n_spikes[slot][population]};
}

__device__ __forceinline__ List inputs_at(const Block& b, int source, int first, int t) {
    const int slot = INPUT_SLOT(t);
    return {b.at<INDEX>(b.s.life.input) + slot * INPUT_CAPACITY + first, b.s.n_inputs[slot][source]};
}

__device__ __forceinline__ List group_at(const Block& b, int group, int t) {
    const int first = b.s.life.group_first[group];
    return group < N_POPULATIONS ? neurons_at(b, group, first, t) : inputs_at(b, group - N_POPULATIONS, first, t);
}

__device__ __forceinline__ double clipped(double w, double w_max) {  // NaN stays
    w = !(w < 0.0) ? w : 0.0;
    return !(w > w_max) ? w : w_max;
}

// A trace or a neuron's state takes one spike: adds 1, becomes 1, or adds what events have left in `pending`.
__device__ __forceinline__ void take_spike(float* stored, double* pending, int kind, double unit, double one) {
    if (kind == NEAREST) {
        *stored = (float)one;
    } else if (kind == CHANGED) {
        *stored = (float)((double)*stored + *pending / unit);
        *pending = 0.0;
    } else {
        *stored = (float)((double)*stored + one);
    }
}
