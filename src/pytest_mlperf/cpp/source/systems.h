// The systems under test, one a scenario, as pytest_mlperf/scenarios has them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "guard.h"
#include "stream.h"
#include "system_under_test.h"

using Batch = std::vector<mlperf::QuerySample>;
using Job = std::function<void(Answering&)>;

// How inferences share the machine: `streams` at once, each with `threads`, `batch` samples a call.
struct Layout {
  size_t streams = 1;
  int threads = 1;
  size_t batch = 1;
};

// Seconds of a batch of a size, while all streams work.
struct BatchTime {
  size_t size = 1;
  double seconds = 0;
};

// What a system is made of. `bound` is Server's latency bound in seconds.
struct Serving {
  std::vector<Answering*> streams;
  size_t batch = 1;
  Guard& guard;
  double bound = 0;
  std::vector<BatchTime> latency;
  const Samples* costs = nullptr;  // for the samples' costs; null where all are equal
};

class System : public mlperf::SystemUnderTest {
 public:
  const std::string& Name() override { return name_; }
  void FlushQueries() override {}
  // Stops the threads after the test.
  virtual void close() {}

 private:
  const std::string name_ = "pytest-mlperf";
};

// Threads, one a stream, that wait between jobs.
class Pool {
 public:
  Pool(std::vector<Answering*> streams, Guard& guard);

  // Starts `job` on every stream, without waiting.
  void start(const Job& job);
  // Lets the streams finish their jobs, and ends their threads.
  void close();

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable filled;
    std::deque<Job> jobs;
  };

  static void work(Answering& stream, Queue& queue);

  std::vector<std::unique_ptr<Queue>> queues_;
  std::vector<std::thread> threads_;
};

// SingleStream, MultiStream, Offline or Server. A rehearsal's Server is Offline's: it is tuned at full load.
std::unique_ptr<System> make_system(const std::string& scenario, Serving serving);

// Returns how many samples to take when the oldest of `waiting` has waited for so many seconds; `latency` by size.
size_t batch_size(size_t waiting, double waited, double bound, const std::vector<BatchTime>& latency);
