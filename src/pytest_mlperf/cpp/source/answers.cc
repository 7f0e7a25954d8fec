#include "answers.h"

#include <algorithm>
#include <string>

#include "fault.h"
#include "numbers.h"

namespace {

// PostProcessOpenImagesRetinanet in vision/classification_and_detection/python/openimages.py.
constexpr float kScoreThreshold = 0.05f;

std::string shape_of(const View& view) {
  std::string text;
  for (const int64_t length : view.shape) text += (text.empty() ? "" : ",") + std::to_string(length);
  return "[" + text + "]";
}

const View& output(const std::vector<View>& outputs, size_t place, Type type, size_t rank) {
  if (place >= outputs.size()) throw Fault("", "the model gave " + std::to_string(outputs.size()) + " outputs");
  const View& view = outputs[place];
  if (view.type != type || view.shape.size() != rank) {
    throw Fault("", "output " + std::to_string(place) + " of the model has another type or shape: " + shape_of(view));
  }
  return view;
}

void require_length(const View& view, size_t dimension, int64_t wanted, const char* of) {
  if (view.shape[dimension] != wanted) {
    throw Fault("", "the model gave " + shape_of(view) + " for " + std::to_string(wanted) + " " + of);
  }
}

// The class of each image, less that of the background, as one float32.
class Label : public Answers {
 public:
  explicit Label(int64_t offset) : offset_(offset) {}

  void encode(const std::vector<View>& outputs, const Samples&, const mlperf::QuerySample*, size_t count,
              Records& records) const override {
    const View& classes = output(outputs, 0, Type::int64, 1);
    require_length(classes, 0, static_cast<int64_t>(count), "samples");
    const auto* found = static_cast<const int64_t*>(classes.data);
    records.data.resize(count);
    for (size_t n = 0; n < count; ++n) records.data[n] = static_cast<float>(found[n] + offset_);
    records.offsets.resize(count + 1);
    for (size_t n = 0; n <= count; ++n) records.offsets[n] = n;
  }

 private:
  int64_t offset_;
};

// 7 float32 for each detection of one image: sample index, ymin, xmin, ymax, xmax over the size, score, label.
class Detections : public Answers {
 public:
  explicit Detections(float size) : size_(size) {}

  void encode(const std::vector<View>& outputs, const Samples&, const mlperf::QuerySample* batch, size_t count,
              Records& records) const override {
    if (count != 1) throw Fault("", "the detector takes one image at a time");
    const View &box_view = output(outputs, 0, Type::float32, 2), &label_view = output(outputs, 1, Type::int64, 1),
               &score_view = output(outputs, 2, Type::float32, 1);
    const int64_t all = score_view.shape[0];
    require_length(box_view, 0, all, "scores");
    require_length(box_view, 1, 4, "numbers of a box");
    require_length(label_view, 0, all, "scores");
    const auto* boxes = static_cast<const float*>(box_view.data);
    const auto* labels = static_cast<const int64_t*>(label_view.data);
    const auto* scores = static_cast<const float*>(score_view.data);
    // Up to the first score below the threshold, as in the reference.
    const size_t kept = std::find_if(scores, scores + all, [](float score) { return score < kScoreThreshold; }) - scores;
    records.data.resize(7 * kept);
    for (size_t n = 0; n < kept; ++n) {
      const float* box = boxes + 4 * n;
      float* record = records.data.data() + 7 * n;
      record[0] = static_cast<float>(batch[0].index);
      record[1] = box[1] / size_;
      record[2] = box[0] / size_;
      record[3] = box[3] / size_;
      record[4] = box[2] / size_;
      record[5] = scores[n];
      record[6] = static_cast<float>(labels[n]);
    }
    records.offsets = {0, records.data.size()};
  }

 private:
  float size_;
};

// 2 float32 for each place of a sample: the logits of start and end. The places of the batch's padding are left out.
class Logits : public Answers {
 public:
  void encode(const std::vector<View>& outputs, const Samples& samples, const mlperf::QuerySample* batch, size_t count,
              Records& records) const override {
    const View &start_view = output(outputs, 0, Type::float32, 2), &end_view = output(outputs, 1, Type::float32, 2);
    const int64_t length = start_view.shape[1];
    for (const View* view : {&start_view, &end_view}) {
      require_length(*view, 0, static_cast<int64_t>(count), "samples");
      require_length(*view, 1, length, "places");
    }
    const auto* starts = static_cast<const float*>(start_view.data);
    const auto* ends = static_cast<const float*>(end_view.data);
    records.data.clear();
    records.offsets.assign(1, 0);
    for (size_t row = 0; row < count; ++row) {
      const int64_t places = samples[batch[row].index].rows.at(0).shape.at(0);
      if (places > length) throw Fault("", "the model gave fewer places than the sample has");
      for (int64_t place = 0; place < places; ++place) {
        records.data.push_back(starts[row * length + place]);
        records.data.push_back(ends[row * length + place]);
      }
      records.offsets.push_back(records.data.size());
    }
  }
};

}  // namespace

std::unique_ptr<Answers> make_answers(const Message& words) {
  Reader reader(words);
  const std::string& name = reader.text();
  if (name == "label") return std::make_unique<Label>(reader.whole());
  if (name == "detections") return std::make_unique<Detections>(static_cast<float>(reader.whole()));
  if (name == "logits") return std::make_unique<Logits>();
  throw Fault("", "there is no encoding " + name);
}
