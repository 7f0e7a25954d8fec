#include "answers.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "fault.h"
#include "numbers.h"
#include "retinanet.h"

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

// One float32 for each image: its label.
template <typename Class>
void encode_labels(size_t count, int64_t offset, const Class& class_of, Records& records) {
  records.data.resize(count);
  for (size_t n = 0; n < count; ++n) records.data[n] = static_cast<float>(class_of(n) + offset);
  records.offsets.resize(count + 1);
  for (size_t n = 0; n <= count; ++n) records.offsets[n] = n;
}

// The class of each image, less that of the background.
class Label : public Answers {
 public:
  explicit Label(int64_t offset) : offset_(offset) {}

  void encode(const std::vector<View>& outputs, const Samples&, const mlperf::QuerySample*, size_t count,
              Records& records) const override {
    const bool narrow = !outputs.empty() && outputs[0].type == Type::int32;
    const View& classes = output(outputs, 0, narrow ? Type::int32 : Type::int64, 1);
    require_length(classes, 0, static_cast<int64_t>(count), "samples");
    const auto class_of = [&](size_t n) -> int64_t {
      return narrow ? static_cast<const int32_t*>(classes.data)[n] : static_cast<const int64_t*>(classes.data)[n];
    };
    encode_labels(count, offset_, class_of, records);
  }

 private:
  int64_t offset_;
};

// The class with the best score; the first of equal ones, or the first that is not a number, as numpy's argmax.
class BestScore : public Answers {
 public:
  explicit BestScore(int64_t offset) : offset_(offset) {}

  void encode(const std::vector<View>& outputs, const Samples&, const mlperf::QuerySample*, size_t count,
              Records& records) const override {
    const View& view = output(outputs, 0, Type::float32, 2);
    require_length(view, 0, static_cast<int64_t>(count), "samples");
    const auto class_of = [&](size_t n) -> int64_t {
      const float* scores = static_cast<const float*>(view.data) + static_cast<int64_t>(n) * view.shape[1];
      const float* end = scores + view.shape[1];
      const float* none = std::find_if(scores, end, [](float score) { return std::isnan(score); });
      return (none != end ? none : std::max_element(scores, end)) - scores;
    };
    encode_labels(count, offset_, class_of, records);
  }

 private:
  int64_t offset_;
};

// Appends 7 float32 for each detection of one image: sample index, ymin, xmin, ymax, xmax over the size, score, label;
// up to the first score below the threshold, as in the reference.
template <typename Label>
void append_detections(size_t index, float size, size_t all, const float* boxes, const Label* labels,
                       const float* scores, Records& records) {
  for (size_t n = 0; n < all && !(scores[n] < kScoreThreshold); ++n) {
    const float* box = boxes + 4 * n;
    for (const float value : {static_cast<float>(index), box[1] / size, box[0] / size, box[3] / size, box[2] / size,
                              scores[n], static_cast<float>(labels[n])}) {
      records.data.push_back(value);
    }
  }
  records.offsets.push_back(records.data.size());
}

// The detections of one image, from the whole graph.
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
    records.data.clear();
    records.offsets.assign(1, 0);
    append_detections(batch[0].index, size_, static_cast<size_t>(all), static_cast<const float*>(box_view.data),
                      static_cast<const int64_t*>(label_view.data), static_cast<const float*>(score_view.data),
                      records);
  }

 private:
  float size_;
};

// The detections of each image, from logits and deltas.
class Heads : public Answers {
 public:
  explicit Heads(Reader& words) : decoder_(words) {}

  void encode(const std::vector<View>& outputs, const Samples&, const mlperf::QuerySample* batch, size_t count,
              Records& records) const override {
    const View &logits = output(outputs, 0, Type::float32, 3), &deltas = output(outputs, 1, Type::float32, 3);
    const auto anchors = static_cast<int64_t>(decoder_.anchors());
    for (const View* view : {&logits, &deltas}) {
      require_length(*view, 0, static_cast<int64_t>(count), "samples");
      require_length(*view, 1, anchors, "anchors");
    }
    require_length(deltas, 2, 4, "numbers of a box");
    const auto classes = static_cast<size_t>(logits.shape[2]);
    records.data.clear();
    records.offsets.assign(1, 0);
    for (size_t n = 0; n < count; ++n) {
      const retinanet::Found found =
          decoder_.decode(static_cast<const float*>(logits.data) + n * decoder_.anchors() * classes,
                          static_cast<const float*>(deltas.data) + n * decoder_.anchors() * 4, classes);
      append_detections(batch[n].index, decoder_.size(), found.scores.size(), found.boxes.data(), found.labels.data(),
                        found.scores.data(), records);
    }
  }

 private:
  retinanet::Decoder decoder_;
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
  if (name == "scores") return std::make_unique<BestScore>(reader.whole());
  if (name == "heads") return std::make_unique<Heads>(reader);
  if (name == "detections") return std::make_unique<Detections>(static_cast<float>(reader.whole()));
  if (name == "logits") return std::make_unique<Logits>();
  throw Fault("", "there is no encoding " + name);
}
