#include "retinanet.h"

#include <algorithm>
#include <cmath>

namespace retinanet {
namespace {

// As numpy's minimum and maximum: what is not a number stays so.
float least(float one, float other) { return std::isnan(one) ? one : std::min(one, other); }
float greatest(float one, float other) { return std::isnan(one) ? one : std::max(one, other); }

// Coefficients of the logistic function, see _LOGISTIC in the Python decoder; float32, computed with as float64.
constexpr float kNumerator[] = {4.37031012579801e-11f, 1.15627324459942e-07f, 6.08574864600143e-05f,
                                8.51377133304701e-03f, 2.48287947061529e-01f};
constexpr float kDenominator[] = {6.10247389755681e-13f, 5.76102136993427e-09f, 6.29106785017040e-06f,
                                  1.70198817374094e-03f, 1.16817656904453e-01f, 9.93151921023180e-01f};

float sigmoid(float logit) {
  const float x = std::min(std::max(logit, -18.0f), 18.0f);
  const double square = static_cast<double>(x * x);
  float above = kNumerator[0];
  float below = static_cast<float>(square * kDenominator[0] + kDenominator[1]);
  for (size_t n = 1; n < 5; ++n) {
    above = static_cast<float>(above * square + kNumerator[n]);
    below = static_cast<float>(below * square + kDenominator[n + 1]);
  }
  return std::min(std::max(above * x / below + 0.5f, 0.0f), 1.0f);
}

struct Box {
  float x1, y1, x2, y2, area;
};

bool overlap(const Box& one, const Box& other, float threshold) {
  const float width = std::min(one.x2, other.x2) - std::max(one.x1, other.x1);
  const float height = std::min(one.y2, other.y2) - std::max(one.y1, other.y1);
  if (!(width > 0) || !(height > 0)) return false;
  const float shared = width * height;
  return shared / (one.area + other.area - shared) > threshold;
}

// Leaves the `most` best values between two places; of equal ones the first.
template <typename Item>
void cut(std::vector<Item>& items, size_t start, size_t most) {
  if (items.size() - start <= most) return;
  std::vector<float> values;
  for (size_t n = start; n < items.size(); ++n) values.push_back(items[n].value);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(most - 1), values.end(),
                   std::greater<float>());
  const float last = values[most - 1];
  const auto better = std::count_if(items.begin() + static_cast<std::ptrdiff_t>(start), items.end(),
                                    [&](const Item& item) { return item.value > last; });
  size_t equal = most - static_cast<size_t>(better), to = start;
  for (size_t n = start; n < items.size(); ++n) {
    if (items[n].value > last || (items[n].value == last && equal > 0 && equal-- > 0)) items[to++] = items[n];
  }
  items.resize(to);
}

}  // namespace

Decoder::Decoder(Reader& words) {
  size_ = static_cast<float>(words.real());
  floor_ = static_cast<float>(words.real());
  threshold_ = static_cast<float>(words.real());
  by_score_ = words.text() == "score";
  most_candidates_ = words.number();
  iou_ = static_cast<float>(words.real());
  most_ = words.number();
  growth_ = static_cast<float>(words.real());
  const std::string& gap = words.text();
  own_gap_ = gap.empty();
  gap_ = own_gap_ ? 0 : std::strtof(gap.c_str(), nullptr);
  std::vector<float> ratios(words.number());
  for (auto& ratio : ratios) ratio = static_cast<float>(words.real());
  for (size_t levels = words.number(); levels > 0; --levels) add_level(words, ratios);
}

// GRID SIDES SIDE...: the anchors of a level, by row, column, ratio and side.
void Decoder::add_level(Reader& words, const std::vector<float>& ratios) {
  const size_t grid = words.number();
  std::vector<float> sides(words.number()), corners;
  for (auto& side : sides) side = static_cast<float>(words.real());
  for (const float ratio : ratios) {
    const float tall = std::sqrt(ratio), wide = 1.0f / tall;
    for (const float side : sides) {
      const float x = wide * side / 2, y = tall * side / 2;
      for (const float corner : {-x, -y, x, y}) corners.push_back(std::rint(corner));
    }
  }
  const auto apart = static_cast<float>(static_cast<size_t>(size_) / grid);
  for (size_t cell = 0; cell < grid * grid; ++cell) {
    const float x = static_cast<float>(cell % grid) * apart, y = static_cast<float>(cell / grid) * apart;
    for (size_t n = 0; n < corners.size(); n += 4) {
      const float x1 = x + corners[n], y1 = y + corners[n + 1], x2 = x + corners[n + 2], y2 = y + corners[n + 3];
      const float width = x2 - x1, height = y2 - y1;
      centred_.insert(centred_.end(), {x1 + width / 2, y1 + height / 2, width, height});
    }
  }
  level_starts_.push_back(centred_.size() / 4);
}

Found Decoder::decode(const float* logits, const float* deltas, size_t classes) const {
  const std::vector<Candidate> all = candidates(logits, classes);
  std::vector<float> boxes(4 * all.size());
  for (size_t n = 0; n < all.size(); ++n) box(all[n].anchor, deltas + 4 * all[n].anchor, &boxes[4 * n]);
  float gap = gap_;
  if (own_gap_) {
    gap = std::nanf("");
    for (const float value : boxes) gap = std::fmax(gap, value);
    gap += 1.0f;
  }
  Found found;
  std::vector<Box> kept;
  for (size_t n = 0; n < all.size() && kept.size() < most_; ++n) {
    const float shift = static_cast<float>(all[n].label) * gap;
    float corners[4];
    for (size_t each = 0; each < 4; ++each) {
      corners[each] = boxes[4 * n + each] + shift;
      if (std::isnan(corners[each])) corners[each] = 0;
    }
    const Box mine = {corners[0], corners[1], corners[2], corners[3],
                      (corners[2] - corners[0]) * (corners[3] - corners[1])};
    const auto hides = [&](const Box& better) { return overlap(better, mine, iou_); };
    if (std::any_of(kept.begin(), kept.end(), hides)) continue;
    kept.push_back(mine);
    found.boxes.insert(found.boxes.end(), &boxes[4 * n], &boxes[4 * n] + 4);
    found.labels.push_back(all[n].label);
    found.scores.push_back(all[n].score);
  }
  return found;
}

// Best first; of equal scores the lower level's, of those the better ranked, the lower anchor's.
std::vector<Decoder::Candidate> Decoder::candidates(const float* logits, size_t classes) const {
  std::vector<Candidate> found;
  for (size_t level = 0; level + 1 < level_starts_.size(); ++level) {
    const size_t start = found.size();
    for (size_t n = level_starts_[level] * classes; n < level_starts_[level + 1] * classes; ++n) {
      if (!(logits[n] > floor_)) continue;
      const float score = sigmoid(logits[n]);
      if (by_score_ && !(score > threshold_)) continue;
      found.push_back({n / classes, static_cast<int64_t>(n % classes), by_score_ ? score : logits[n], score, level});
    }
    cut(found, start, most_candidates_);
  }
  std::stable_sort(found.begin(), found.end(), [](const Candidate& one, const Candidate& other) {
    if (one.score != other.score) return one.score > other.score;
    return one.level != other.level ? one.level < other.level : one.value > other.value;
  });
  return found;
}

// The box at some deltas from its anchor, clipped to the input.
void Decoder::box(size_t anchor, const float* deltas, float* corners) const {
  const float* centred = &centred_[4 * anchor];
  for (size_t axis = 0; axis < 2; ++axis) {
    const float side = centred[2 + axis], centre = centred[axis] + deltas[axis] * side;
    // In float64 and then rounded, so that every library of mathematics gives the same float32.
    const float half =
        static_cast<float>(std::exp(static_cast<double>(least(deltas[2 + axis], growth_)))) * side / 2;
    corners[axis] = least(greatest(centre - half, 0), size_);
    corners[2 + axis] = least(greatest(centre + half, 0), size_);
  }
}

}  // namespace retinanet
