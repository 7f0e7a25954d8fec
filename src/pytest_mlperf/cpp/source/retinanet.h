// RetinaNet's post-processing: class logits and box deltas to detections, as pytest_mlperf/benchmarks/
// retinanet_decoder.py computes them, to the last bit. The comments there say why each step is as it is.
#pragma once

#include <cstdint>
#include <vector>

#include "numbers.h"

namespace retinanet {

// The detections in one image, best first: 4 numbers a box.
struct Found {
  std::vector<float> boxes, scores;
  std::vector<int64_t> labels;
};

class Decoder {
 public:
  // `words` are those of heads_words in pytest_mlperf/cpp/answers.py.
  explicit Decoder(Reader& words);

  size_t anchors() const { return level_starts_.back(); }
  float size() const { return size_; }
  // Of one image.
  Found decode(const float* logits, const float* deltas, size_t classes) const;

 private:
  struct Candidate {
    size_t anchor;
    int64_t label;
    float value, score;  // the value is what it is ranked by in its level
    size_t level;
  };

  void add_level(Reader& words, const std::vector<float>& ratios);
  std::vector<Candidate> candidates(const float* logits, size_t classes) const;
  void box(size_t anchor, const float* deltas, float* corners) const;

  float size_ = 0, floor_ = 0, threshold_ = 0, iou_ = 0, gap_ = 0, growth_ = 0;
  bool by_score_ = false, own_gap_ = false;
  size_t most_candidates_ = 0, most_ = 0;
  std::vector<size_t> level_starts_{0};
  std::vector<float> centred_;  // of each anchor: x and y of the centre, width, height
};

}  // namespace retinanet
