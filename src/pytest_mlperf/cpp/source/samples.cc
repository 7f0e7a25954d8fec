#include "samples.h"

#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "fault.h"
#include "numbers.h"

namespace {

constexpr size_t kPage = 4096;  // of the file, as in pytest_mlperf/cpp/sample_file.py

Fault cannot_map() { return Fault("", std::string("the samples cannot be mapped: ") + std::strerror(errno)); }

}  // namespace

SampleFile::SampleFile(int descriptor) : descriptor_(descriptor) {
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (page == MAP_FAILED) throw cannot_map();
  done_ = static_cast<std::atomic<uint64_t>*>(page);
}

const char* SampleFile::map(size_t start, size_t size) {
  if (size == 0) return nullptr;
  // The pages are there before the test is timed.
  void* part = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor_, static_cast<off_t>(start));
  if (part == MAP_FAILED) throw cannot_map();
  maps_.emplace_back(part, size);
  return static_cast<const char*>(part);
}

void SampleFile::forget() {
  for (const auto& [part, size] : maps_) ::munmap(part, size);
  maps_.clear();
}

void SampleFile::write(size_t start, const void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t some = ::pwrite(descriptor_, static_cast<const char*>(data) + done, size - done,
                                  static_cast<off_t>(start + done));
    if (some < 0) throw Fault("", std::string("outputs cannot be written: ") + std::strerror(errno));
    done += static_cast<size_t>(some);
  }
}

void Samples::watch(const std::atomic<int64_t>* issued) {
  issued_ = issued;
  if (issued != nullptr) loaded_ = unloading_ = 0;
}

void Samples::LoadSamplesToRam(const std::vector<mlperf::QuerySampleIndex>& indices) {
  guard_.run([&] { load(indices); });
  if (issued_ != nullptr && *issued_ == 0) loaded_ = raw_ns();
}

void Samples::UnloadSamplesFromRam(const std::vector<mlperf::QuerySampleIndex>& indices) {
  if (issued_ != nullptr && *issued_ != 0 && unloading_ == 0) unloading_ = raw_ns();
  guard_.run([&] { unload(indices); });
}

// LoadGen may name a sample twice in one load and again in one unload, so loads are counted.
void Samples::load(const std::vector<mlperf::QuerySampleIndex>& indices) {
  Message request = {"load"};
  for (const auto index : indices) {
    if (loads_[index]++ == 0) request.push_back(std::to_string(index));
  }
  if (request.size() == 1) return;
  channel_.send(request);
  place(channel_.receive());
}

// The reply: start and size of the new part of the file; then for each sample its index, its cost, and for each input
// its place in the part and its lengths.
void Samples::place(const Message& reply) {
  Reader words(reply);
  const size_t start = words.number(), size = words.number();
  const char* part = file_.map(start, size);
  samples_.resize(total_);
  while (!words.empty()) {
    Sample& sample = samples_.at(words.number());
    sample.cost = words.real();
    sample.rows.resize(inputs_.size());
    for (size_t input = 0; input < inputs_.size(); ++input) {
      Row& row = sample.rows[input];
      row.data = part + words.number();
      row.bytes = words.number();
      row.shape.resize(inputs_[input].shape.size() - 1);
      for (auto& length : row.shape) length = static_cast<int64_t>(words.number());
    }
  }
}

void Samples::unload(const std::vector<mlperf::QuerySampleIndex>& indices) {
  for (const auto index : indices) {
    const auto found = loads_.find(index);
    if (found != loads_.end() && --found->second == 0) {
      loads_.erase(found);
      samples_.at(index).rows.clear();
    }
  }
  if (!loads_.empty()) return;
  file_.forget();
  channel_.send({"unload"});
  channel_.receive();
}

const Sample& Samples::operator[](mlperf::QuerySampleIndex index) const {
  const Sample& sample = samples_.at(index);
  if (sample.rows.empty()) throw Fault("", "sample " + std::to_string(index) + " is not loaded");
  return sample;
}
