// Notes when queries come and when they are answered, as pytest_mlperf/worker/answer_times.py does, which reads it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "query_sample.h"

// One answer: when its query came, when it was given, and of how many samples it is.
struct Answered {
  int64_t came, given, samples;
};

// The answers of one stream. When there is no room, about half of the queries are dropped, and later ones alike: those
// whose moment is odd in its last bits, in all streams the same ones.
class AnswerTimes {
 public:
  explicit AnswerTimes(bool by_answer) : by_answer_(by_answer) { kept_.reserve(most); }

  void add(const Answered& answer);
  int64_t mask() const { return mask_; }
  // Drops what does not fit a mask that has all bits of this one.
  const std::vector<Answered>& fitting(int64_t mask);

 private:
  static constexpr size_t most = 1 << 18;

  bool fits(const Answered& answer) const { return ((by_answer_ ? answer.given : answer.came) & mask_) == 0; }
  void halve();

  bool by_answer_;
  int64_t mask_ = 0;
  std::vector<Answered> kept_;  // memory that is not needed is never touched
};

// The answers of a test. `timed` is what has a latency: "queries", of which one comes after the other, "samples", which
// come at any moment, or nothing.
class RunTimes {
 public:
  explicit RunTimes(const std::string& timed) : samples_(timed == "samples"), by_answer_(timed.empty()) {}

  void came(const std::vector<mlperf::QuerySample>& query);
  AnswerTimes* stream();
  // Notes an answer of a stream, just before LoadGen gets it.
  void answered(AnswerTimes& stream, const mlperf::QuerySample* batch, size_t count, int64_t now);
  // Writes all answers into a file. Returns whether some were dropped.
  bool write(const std::string& path);

 private:
  bool samples_, by_answer_;
  std::atomic<int64_t> issued_{0};
  std::mutex mutex_;
  std::unordered_map<mlperf::ResponseId, int64_t> arrivals_;
  std::vector<std::unique_ptr<AnswerTimes>> streams_;
};
