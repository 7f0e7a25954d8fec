// LoadGen's query sample library: the loaded samples in a file that Python fills and this process maps.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "channel.h"
#include "engine.h"
#include "guard.h"
#include "query_sample_library.h"

// One input of one sample, without the dimension of the batch.
struct Row {
  const char* data = nullptr;
  std::vector<int64_t> shape;
  size_t bytes = 0;
};

struct Sample {
  double cost = 1;
  std::vector<Row> rows;  // in the order of the inputs
};

// The file begins with a page for this process's progress; the samples come after it.
class SampleFile {
 public:
  explicit SampleFile(int descriptor);

  // Maps a part of the file, read-only, until `forget`.
  const char* map(size_t start, size_t size);
  void forget();
  // Writes behind the samples, whose end the other process keeps.
  void write(size_t start, const void* data, size_t size);
  void count(uint64_t samples) { done_->fetch_add(samples, std::memory_order_relaxed); }
  uint64_t done() const { return done_->load(std::memory_order_relaxed); }

 private:
  int descriptor_;
  std::atomic<uint64_t>* done_;
  std::vector<std::pair<void*, size_t>> maps_;
};

class Samples : public mlperf::QuerySampleLibrary {
 public:
  // `total` samples in all, of which LoadGen may load `at_once`.
  Samples(Channel& channel, Guard& guard, SampleFile& file, const std::vector<Tensor>& inputs, size_t total)
      : channel_(channel), guard_(guard), file_(file), inputs_(inputs), total_(total), at_once_(total) {}

  const std::string& Name() override { return name_; }
  size_t TotalSampleCount() override { return total_; }
  size_t PerformanceSampleCount() override { return at_once_; }
  void LoadSamplesToRam(const std::vector<mlperf::QuerySampleIndex>& indices) override;
  void UnloadSamplesFromRam(const std::vector<mlperf::QuerySampleIndex>& indices) override;

  void set_at_once(size_t at_once) { at_once_ = at_once; }
  const Sample& operator[](mlperf::QuerySampleIndex index) const;

  // CLOCK_MONOTONIC_RAW in nanoseconds: of the last load, and of the first unload after a query; 0 if there was none.
  int64_t loaded() const { return loaded_; }
  int64_t unloading() const { return unloading_; }
  void watch(const std::atomic<int64_t>* issued);

 private:
  void load(const std::vector<mlperf::QuerySampleIndex>& indices);
  void unload(const std::vector<mlperf::QuerySampleIndex>& indices);
  void place(const Message& reply);

  Channel& channel_;
  Guard& guard_;
  SampleFile& file_;
  const std::vector<Tensor>& inputs_;
  const std::string name_ = "pytest-mlperf";
  size_t total_, at_once_;
  std::map<mlperf::QuerySampleIndex, size_t> loads_;
  std::vector<Sample> samples_;
  const std::atomic<int64_t>* issued_ = nullptr;
  int64_t loaded_ = 0, unloading_ = 0;
};
