// Cut-offs of the continuous health tests (SP 800-90B, 4.4).
#pragma once

namespace qanat::entropy {

// Probability that a test rejects one window of a source that is as good as claimed: 2^-30.
// SP 800-90B 4.3 asks for 2^-20 to 2^-40; at 8 MB/s 2^-20 would be a false alarm a minute.
constexpr int alpha_log2 = -30;

// Repetition count test, 4.4.1: 1 + ceil(-log2(alpha) / h). `h` in bits per sample, > 0.
unsigned repetition_cutoff(double h, int log2_alpha = alpha_log2);

// 1 + critbinom(window, 2^-h, 1 - alpha): the smallest count that `window` samples, each matching
// with probability at most 2^-h whatever went before, reach with probability at most alpha.
// Adaptive proportion test (4.4.2) with window 1024 for binary samples and 512 for others.
unsigned proportion_cutoff(double h, unsigned window, int log2_alpha = alpha_log2);

}  // namespace qanat::entropy
