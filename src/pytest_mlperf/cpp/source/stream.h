// Answers the batches of one stream and completes its samples.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "answer_times.h"
#include "answers.h"
#include "engine.h"
#include "samples.h"

// Who answers samples; a system distributes its queries over several.
class Answering {
 public:
  virtual ~Answering() = default;
  virtual void answer(const mlperf::QuerySample* batch, size_t count) = 0;
};

class Stream : public Answering {
 public:
  Stream(Model& model, const std::vector<Tensor>& inputs, const Samples& samples, const Answers& answers,
         SampleFile& file, std::atomic<int64_t>& answering)
      : runner_(model.runner()),
        inputs_(inputs),
        samples_(samples),
        answers_(answers),
        file_(file),
        answering_(answering),
        views_(inputs.size()),
        scratch_(inputs.size()) {}

  // From now on, notes in `times` when its answers are given.
  void note(RunTimes& times) { times_ = &times, own_times_ = times.stream(); }
  // Answers one batch without telling LoadGen.
  const Records& infer(const mlperf::QuerySample* batch, size_t count);
  // Answers one batch and completes its samples; LoadGen copies the bytes before this returns.
  void answer(const mlperf::QuerySample* batch, size_t count) override;

 private:
  void collate(size_t input, const mlperf::QuerySample* batch, size_t count);

  std::unique_ptr<Runner> runner_;
  const std::vector<Tensor>& inputs_;
  const Samples& samples_;
  const Answers& answers_;
  SampleFile& file_;
  std::atomic<int64_t>& answering_;  // CLOCK_MONOTONIC_RAW of the last answer, for the clock of the test
  RunTimes* times_ = nullptr;
  AnswerTimes* own_times_ = nullptr;
  std::vector<View> views_;
  std::vector<std::vector<char>> scratch_;
  Records records_;
  std::vector<mlperf::QuerySampleResponse> responses_;
};
