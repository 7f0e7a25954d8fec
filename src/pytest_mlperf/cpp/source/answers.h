// From the outputs of a batch to the bytes that go into LoadGen's accuracy log, as the benchmarks' `encode` in Python.
#pragma once

#include <memory>
#include <vector>

#include "channel.h"
#include "engine.h"
#include "query_sample.h"
#include "samples.h"

// The answers of a batch: sample i is from offsets[i] to offsets[i + 1].
struct Records {
  std::vector<float> data;
  std::vector<size_t> offsets;
};

class Answers {
 public:
  virtual ~Answers() = default;
  // Any thread may call it. `indices` are of `count` samples.
  virtual void encode(const std::vector<View>& outputs, const Samples& samples, const mlperf::QuerySample* batch,
                      size_t count, Records& records) const = 0;
};

// `words` are the name of the encoding and its arguments, see pytest_mlperf/cpp/answers.py.
std::unique_ptr<Answers> make_answers(const Message& words);
