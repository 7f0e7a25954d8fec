#include "systems.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "fault.h"

Pool::Pool(std::vector<Answering*> streams, Guard& guard) {
  for (Answering* stream : streams) {
    Queue& queue = *queues_.emplace_back(std::make_unique<Queue>());
    threads_.emplace_back([stream, &queue, &guard] { guard.run([&] { work(*stream, queue); }); });
  }
}

void Pool::start(const Job& job) {
  for (const auto& queue : queues_) {
    {
      const std::lock_guard<std::mutex> lock(queue->mutex);
      queue->jobs.push_back(job);
    }
    queue->filled.notify_one();
  }
}

void Pool::close() {
  start(nullptr);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Pool::work(Answering& stream, Queue& queue) {
  while (true) {
    std::unique_lock<std::mutex> lock(queue.mutex);
    queue.filled.wait(lock, [&] { return !queue.jobs.empty(); });
    const Job job = std::move(queue.jobs.front());
    queue.jobs.pop_front();
    lock.unlock();
    if (!job) return;
    job(stream);
  }
}

namespace {

// Returns a job in which each stream takes the next batch of a query until none is left.
Job share(Batch query, size_t size) {
  struct Shared {
    Batch query;
    std::atomic<size_t> next{0};
  };
  const auto shared = std::make_shared<Shared>();
  shared->query = std::move(query);
  return [shared, size](Answering& stream) {
    while (true) {
      const size_t start = shared->next.fetch_add(size);
      if (start >= shared->query.size()) return;
      stream.answer(shared->query.data() + start, std::min(size, shared->query.size() - start));
    }
  };
}

// Answers in LoadGen's thread, because switching to another thread would add latency.
class SingleStream : public System {
 public:
  explicit SingleStream(Serving serving) : serving_(std::move(serving)) {}

  void IssueQuery(const Batch& query) override {
    serving_.guard.run([&] { serving_.streams[0]->answer(query.data(), query.size()); });
  }

 private:
  Serving serving_;
};

// Answers a query in batches: the first stream in LoadGen's thread, the others in their own.
class MultiStream : public System {
 public:
  explicit MultiStream(Serving serving)
      : serving_(std::move(serving)),
        others_({serving_.streams.begin() + 1, serving_.streams.end()}, serving_.guard) {}

  void IssueQuery(const Batch& query) override {
    const Job job = share(query, serving_.batch);
    others_.start(job);
    serving_.guard.run([&] { job(*serving_.streams[0]); });
  }

  void close() override { others_.close(); }

 private:
  Serving serving_;
  Pool others_;
};

// Streams take one batch of the query after the other, the most expensive samples first.
class Offline : public System {
 public:
  explicit Offline(Serving serving) : serving_(std::move(serving)), pool_(serving_.streams, serving_.guard) {}

  void IssueQuery(const Batch& query) override {
    serving_.guard.run([&] { pool_.start(share(ordered(query), serving_.batch)); });
  }

  void close() override { pool_.close(); }

 private:
  // So that the streams finish at about the same time.
  Batch ordered(const Batch& query) const {
    Batch sorted = query;
    if (serving_.costs != nullptr) {
      const Samples& samples = *serving_.costs;
      std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& one, const auto& other) {
        return samples[one.index].cost > samples[other.index].cost;
      });
    }
    return sorted;
  }

  Serving serving_;
  Pool pool_;
};

// Dynamic batching: an idle stream takes the waiting samples, at most as many as still meet the bound.
class Server : public System {
 public:
  explicit Server(Serving serving) : serving_(std::move(serving)), pool_(serving_.streams, serving_.guard) {
    pool_.start([this](Answering& stream) { serve(stream); });
  }

  void IssueQuery(const Batch& query) override {
    const auto now = Clock::now();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& sample : query) waiting_.push_back({sample, now});
    }
    for (size_t n = 0; n < query.size(); ++n) arrival_.notify_one();
  }

  void close() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    arrival_.notify_all();
    pool_.close();
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    mlperf::QuerySample sample;
    Clock::time_point arrived;
  };

  void serve(Answering& stream) {
    Batch batch;
    while (take(batch)) stream.answer(batch.data(), batch.size());
  }

  bool take(Batch& batch) {
    batch.clear();
    std::unique_lock<std::mutex> lock(mutex_);
    arrival_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return false;
    const double waited = std::chrono::duration<double>(Clock::now() - waiting_.front().arrived).count();
    const size_t size = batch_size(waiting_.size(), waited, serving_.bound, serving_.latency);
    while (batch.size() < size && !waiting_.empty()) {
      batch.push_back(waiting_.front().sample);
      waiting_.pop_front();
    }
    return true;
  }

  Serving serving_;
  std::mutex mutex_;
  std::condition_variable arrival_;
  std::deque<Waiting> waiting_;
  bool closed_ = false;
  Pool pool_;  // the last: its threads use all of the above
};

}  // namespace

// The smallest measured size that takes all waiting samples, else the largest with which the oldest still meets the
// bound. If none does, the oldest is late anyway, and the size with the best throughput makes the fewest others late.
size_t batch_size(size_t waiting, double waited, double bound, const std::vector<BatchTime>& latency) {
  const BatchTime* largest_in_time = nullptr;
  for (const BatchTime& each : latency) {
    if (waited + each.seconds > bound) continue;
    if (each.size >= waiting) return each.size;
    largest_in_time = &each;
  }
  if (largest_in_time != nullptr) return largest_in_time->size;
  return std::max_element(latency.begin(), latency.end(), [](const BatchTime& one, const BatchTime& other) {
           return static_cast<double>(one.size) / one.seconds < static_cast<double>(other.size) / other.seconds;
         })->size;
}

std::unique_ptr<System> make_system(const std::string& scenario, Serving serving) {
  if (scenario == "SingleStream") return std::make_unique<SingleStream>(std::move(serving));
  if (scenario == "MultiStream") return std::make_unique<MultiStream>(std::move(serving));
  if (scenario == "Offline") return std::make_unique<Offline>(std::move(serving));
  if (scenario == "Server") return std::make_unique<Server>(std::move(serving));
  throw Fault("", "there is no scenario " + scenario);
}
