#include "answer_times.h"

#include <algorithm>
#include <fstream>

#include "clock.h"
#include "fault.h"

void AnswerTimes::add(const Answered& answer) {
  if (!fits(answer)) return;
  if (kept_.size() == most) {
    halve();
    if (!fits(answer)) return;
  }
  kept_.push_back(answer);
}

const std::vector<Answered>& AnswerTimes::fitting(int64_t mask) {
  mask_ = mask;
  kept_.erase(std::remove_if(kept_.begin(), kept_.end(), [this](const Answered& answer) { return !fits(answer); }),
              kept_.end());
  return kept_;
}

// The last bits of a slow counter may always be 0.
void AnswerTimes::halve() {
  while (kept_.size() > most / 2) fitting(mask_ << 1 | 1);
}

void RunTimes::came(const std::vector<mlperf::QuerySample>& query) {
  const int64_t now = raw_ns();
  issued_.store(now, std::memory_order_relaxed);
  if (!samples_) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& sample : query) arrivals_[sample.id] = now;
}

AnswerTimes* RunTimes::stream() {
  return streams_.emplace_back(std::make_unique<AnswerTimes>(by_answer_)).get();
}

void RunTimes::answered(AnswerTimes& stream, const mlperf::QuerySample* batch, size_t count, int64_t now) {
  if (!samples_) {
    stream.add({issued_.load(std::memory_order_relaxed), now, static_cast<int64_t>(count)});
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  for (size_t n = 0; n < count; ++n) {
    const auto found = arrivals_.find(batch[n].id);
    if (found == arrivals_.end()) continue;
    stream.add({found->second, now, 1});
    arrivals_.erase(found);
  }
}

bool RunTimes::write(const std::string& path) {
  int64_t mask = 0;
  for (const auto& stream : streams_) mask |= stream->mask();
  std::ofstream file(path, std::ios::binary);
  for (const auto& stream : streams_) {
    const std::vector<Answered>& kept = stream->fitting(mask);
    file.write(reinterpret_cast<const char*>(kept.data()), static_cast<std::streamsize>(kept.size() * sizeof(Answered)));
  }
  file.close();
  if (!file) throw Fault("", "cannot write " + path);
  return mask != 0;
}
