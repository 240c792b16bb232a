// The plain C interface of the native backend: a pool of threads that runs jobs. Each kind of processor has a library of its own, so that no
// instruction of one kind gets into another.
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "machine.h"

namespace {

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads), barrier_(threads) {
    for (int thread = 1; thread < threads; thread++) others_.emplace_back([this, thread] { serve(thread); });
  }

  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    started_.notify_all();
    for (auto& other : others_) other.join();
  }

  // The caller's thread does its part.
  void run(const uint8_t* job) {
    {
      std::lock_guard lock(mutex_);
      job_ = job;
      round_++;
      working_ = threads_ - 1;
    }
    started_.notify_all();
    run_job(job, 0, threads_, barrier_);
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return working_ == 0; });
  }

 private:
  void serve(int thread) {
    for (uint64_t seen = 0;;) {
      const uint8_t* job;
      {
        std::unique_lock lock(mutex_);
        started_.wait(lock, [&] { return stop_ || round_ != seen; });
        if (stop_) return;
        seen = round_;
        job = job_;
      }
      run_job(job, thread, threads_, barrier_);
      std::lock_guard lock(mutex_);
      if (--working_ == 0) finished_.notify_one();
    }
  }

  const int threads_;
  Barrier barrier_;
  std::vector<std::thread> others_;
  std::mutex mutex_;
  std::condition_variable started_, finished_;
  const uint8_t* job_ = nullptr;
  uint64_t round_ = 0;
  int working_ = 0;
  bool stop_ = false;
};

}  // namespace

extern "C" {

// Whether this processor can run this library. Nothing else may be called if not.
bool otr_supported() {
#if defined(OTR_AVX512)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("bmi2");
#elif defined(OTR_AVX2)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
  return true;
#endif
}

int64_t otr_dot_copy_bytes(int type, int64_t length) { return dot_copy_bytes(type, length); }

void* otr_open(int threads) { return new Pool(threads); }

// Runs the job at an address (ts/engine/plan/layout.ts); returns when it is done.
void otr_run(void* pool, uint64_t job) { static_cast<Pool*>(pool)->run(reinterpret_cast<const uint8_t*>(job)); }

void otr_close(void* pool) { delete static_cast<Pool*>(pool); }
}
