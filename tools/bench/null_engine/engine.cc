// An engine that costs nothing: every sample is of class 1.
#include "engine.h"

namespace {

class NullRunner : public Runner {
 public:
  const std::vector<View>& run(const std::vector<View>& inputs) override {
    const int64_t count = inputs[0].shape[0];
    classes_.resize(static_cast<size_t>(count), 1);
    views_[0].data = classes_.data();
    views_[0].type = Type::int64;
    views_[0].shape.assign(1, count);
    return views_;
  }

 private:
  std::vector<int64_t> classes_;
  std::vector<View> views_{1};
};

class NullModel : public Model {
 public:
  std::unique_ptr<Runner> runner() override { return std::make_unique<NullRunner>(); }
  int64_t max_batch() const override { return 0; }
};

class NullEngine : public Engine {
 public:
  std::unique_ptr<Model> load(int) override { return std::make_unique<NullModel>(); }
  std::string version() const override { return "none"; }
};

}  // namespace

std::unique_ptr<Engine> make_engine(const Setup&) { return std::make_unique<NullEngine>(); }
