#pragma once
#include <atomic>
#include <cstdint>

// Where all threads of a pool wait for each other. Spins first: most waits are shorter than going to sleep.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}

  void wait() {
    if (threads_ == 1) return;
    const int round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int i = 0; i < SPINS; i++) {
      if (round_.load(std::memory_order_acquire) != round) return;
      pause();
    }
    round_.wait(round, std::memory_order_acquire);
  }

 private:
  static constexpr int SPINS = 4000;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  const int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<int> round_{0};
};

// Bytes of the copies of a row that dot products read (OP_COPIES).
int64_t dot_copy_bytes(int type, int64_t length);

// One thread's part of the batch that `job` describes (ts/engine/plan/layout.ts).
void run_job(const uint8_t* job, int thread, int threads, Barrier& barrier);
