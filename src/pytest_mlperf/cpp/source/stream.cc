#include "stream.h"

#include <algorithm>
#include <cstring>

#include "clock.h"
#include "fault.h"
#include "loadgen.h"
#include "tensors.h"

const Records& Stream::infer(const mlperf::QuerySample* batch, size_t count) {
  for (size_t input = 0; input < inputs_.size(); ++input) collate(input, batch, count);
  answers_.encode(runner_->run(views_), samples_, batch, count, records_);
  return records_;
}

void Stream::answer(const mlperf::QuerySample* batch, size_t count) {
  const Records& records = infer(batch, count);
  const auto data = reinterpret_cast<uintptr_t>(records.data.data());
  responses_.resize(count);
  for (size_t n = 0; n < count; ++n) {
    const size_t start = sizeof(float) * records.offsets[n], end = sizeof(float) * records.offsets[n + 1];
    responses_[n] = mlperf::QuerySampleResponse(batch[n].id, data + start, end - start);
  }
  const int64_t now = raw_ns();
  answering_.store(now, std::memory_order_relaxed);
  if (times_ != nullptr) times_->answered(*own_times_, batch, count, now);
  mlperf::QuerySamplesComplete(responses_.data(), count);
  file_.count(count);
}

// Adjacent samples of one shape need no copy. Where lengths differ, shorter rows are padded with zeros.
void Stream::collate(size_t input, const mlperf::QuerySample* batch, size_t count) {
  const Row& first = samples_[batch[0].index].rows[input];
  View& view = views_[input];
  view.type = type_named(inputs_[input].dtype);
  view.shape.assign(1, static_cast<int64_t>(count));
  view.shape.insert(view.shape.end(), first.shape.begin(), first.shape.end());
  view.data = first.data;
  size_t longest = first.bytes;
  bool adjacent = true;
  for (size_t n = 1; n < count; ++n) {
    const Row& row = samples_[batch[n].index].rows[input];
    adjacent = adjacent && row.bytes == first.bytes && row.data == first.data + n * first.bytes;
    if (row.shape != first.shape && row.shape.size() != 1) throw Fault("", "the samples of a batch differ in shape");
    longest = std::max(longest, row.bytes);
    if (row.shape.size() == 1) view.shape[1] = std::max(view.shape[1], row.shape[0]);
  }
  if (adjacent) return;
  std::vector<char>& scratch = scratch_[input];
  scratch.resize(count * longest);
  for (size_t n = 0; n < count; ++n) {
    const Row& row = samples_[batch[n].index].rows[input];
    char* place = scratch.data() + n * longest;
    std::memcpy(place, row.data, row.bytes);
    std::memset(place + row.bytes, 0, longest - row.bytes);
  }
  view.data = scratch.data();
}
