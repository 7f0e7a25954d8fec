// LiteRT as an engine, set up as pytest_mlperf/backends/tflite.py does: the same answers to the last bit.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "engine.h"
#include "fault.h"
#include "instance.h"
#include "tensors.h"

namespace {

class LiteRunner : public Runner {
 public:
  LiteRunner(std::shared_ptr<Instance> instance, const Signature& signature)
      : instance_(std::move(instance)), signature_(signature) {}

  const std::vector<View>& run(const std::vector<View>& inputs) override { return instance_->run(signature_, inputs); }

 private:
  std::shared_ptr<Instance> instance_;
  const Signature& signature_;
};

// What compiles the file for a number of threads.
class Compiler {
 public:
  Compiler(const lite::Functions& library, lite::Environment* environment, lite::Model* model, const Setup& setup)
      : library_(library), environment_(environment), model_(model), file_(setup.model) {
    for (const auto& [name, value] : setup.options) xnnpack_ = xnnpack_ && !(name == "xnnpack" && value == "0");
  }

  bool xnnpack() const { return xnnpack_; }
  const lite::Functions& library() const { return library_; }
  lite::Model* model() const { return model_; }
  const std::string& file() const { return file_; }

  std::shared_ptr<Instance> compile(int threads) {
    lite::Options* options = nullptr;
    lite::check(library_.CreateOptions(&options), "making options");
    const std::unique_ptr<lite::Options, void (*)(lite::Options*)> owned(options, library_.DestroyOptions);
    lite::check(library_.SetOptionsHardwareAccelerators(options, lite::kCpu), "choosing the CPU");
    add_threads(options, threads);
    lite::CompiledModel* compiled = nullptr;
    const lite::Status status = library_.CreateCompiledModel(environment_, model_, options, &compiled);
    if (status != 0) throw cannot("load", "status " + std::to_string(status) + "; see worker.log");
    tell(compiled);
    return std::make_shared<Instance>(library_, compiled);
  }

  Fault cannot(const std::string& what, const std::string& found) const {
    return Fault("ModelError", "LiteRT cannot " + what + " " + file_, "a .tflite model", found,
                 xnnpack_ ? "give the benchmark's .tflite file with --model-path, or run it without XNNPACK: "
                            "--backend-option xnnpack=0"
                          : "give the benchmark's .tflite file with --model-path");
  }

 private:
  void add_threads(lite::Options* options, int threads) const {
    const std::string text =
        "num_threads = " + std::to_string(threads) + "\n" + (xnnpack_ ? "" : "kernel_mode = \"builtin\"\n");
    lite::OpaqueOptions* opaque = nullptr;
    lite::check(library_.CreateOpaqueOptions("xnnpack", ::strdup(text.c_str()), std::free, &opaque), "making options");
    lite::check(library_.AddOpaqueOptions(options, opaque), "adding options");
  }

  // Writes to the run's log whether XNNPACK runs all of the model.
  void tell(lite::CompiledModel* compiled) {
    bool all = false;
    if (told_ || !xnnpack_ || library_.CompiledModelIsFullyAccelerated(compiled, &all) != 0) return;
    std::fprintf(stderr, "%s: XNNPACK runs %s operators\n", file_.c_str(), all ? "all" : "not all");
    told_ = true;
  }

  const lite::Functions& library_;
  lite::Environment* environment_;
  lite::Model* model_;
  std::string file_;
  bool xnnpack_ = true, told_ = false;
};

class LiteModel : public Model {
 public:
  LiteModel(Compiler& compiler, int threads, const Setup& setup) : compiler_(compiler), threads_(threads) {
    instances_.push_back(compiler.compile(threads));
    signature_.inputs = match(setup.inputs, inputs_of(compiler.library(), compiler.model()));
    signature_.outputs = match(setup.outputs, outputs_of(compiler.library(), compiler.model()));
    check(setup);
    signature_.read = setup.outputs.empty() ? signature_.outputs.size() : setup.outputs.size();
    find_batch(setup);
  }

  // Each needs an instance of its own; one that nobody uses any more does.
  std::unique_ptr<Runner> runner() override {
    for (const auto& instance : instances_) {
      if (instance.use_count() == 1) return std::make_unique<LiteRunner>(instance, signature_);
    }
    instances_.push_back(compiler_.compile(threads_));
    return std::make_unique<LiteRunner>(instances_.back(), signature_);
  }

  int64_t max_batch() const override { return signature_.fixed_batch; }

  void keep(size_t runners) override {
    if (instances_.size() > runners) instances_.resize(runners);
  }

 private:
  void check(const Setup& setup) const {
    std::vector<Tensor> inputs, outputs;
    for (const auto& tensor : signature_.inputs) inputs.push_back(tensor.described());
    for (const auto& tensor : signature_.outputs) outputs.push_back(tensor.described());
    check_tensors(setup.model, "input", setup.inputs, inputs);
    check_tensors(setup.model, "output", setup.outputs, outputs);
  }

  // A file's own word on its batch is not enough: converters write 1 for a batch that may have any size, and an open
  // batch for a graph that reshapes to one of 1. So it is run; what XNNPACK cannot run is known only then, too.
  void find_batch(const Setup& setup) {
    for (const auto& tensor : signature_.inputs) {
      if (tensor.type.layout.rank == 0) continue;
      const int64_t batch = std::max(tensor.type.layout.lengths[0], 1);
      signature_.own_batch = &tensor == &signature_.inputs[0] ? batch : std::min(signature_.own_batch, batch);
    }
    const bool one = std::any_of(setup.inputs.begin(), setup.inputs.end(), [](const Tensor& tensor) {
      return !tensor.shape.empty() && tensor.shape[0] == 1;
    });
    if (one || !instances_[0]->takes(signature_, signature_.own_batch + 1)) {
      signature_.fixed_batch = signature_.own_batch;
    }
    try {
      instances_[0]->run_empty(signature_, signature_.own_batch);
    } catch (const Fault& fault) {
      throw compiler_.cannot("run", fault.text + "; see worker.log");
    }
  }

  Compiler& compiler_;
  int threads_;
  std::vector<std::shared_ptr<Instance>> instances_;
  Signature signature_;
};

class LiteEngine : public Engine {
 public:
  explicit LiteEngine(const Setup& setup) : setup_(setup), library_(setup.library) {
    lite::check(library_.CreateEnvironment(0, nullptr, &environment_), "making an environment");
  }

  std::string version() const override { return ""; }

  std::unique_ptr<Model> load(int threads) override {
    if (compiler_ == nullptr) compiler_ = std::make_unique<Compiler>(library_, environment_, open(), setup_);
    return std::make_unique<LiteModel>(*compiler_, threads, setup_);
  }

 private:
  lite::Model* open() const {
    lite::Model* model = nullptr;
    const lite::Status status = library_.CreateModelFromFile(environment_, setup_.model.c_str(), &model);
    if (status == 0) return model;
    throw Fault("ModelError", "LiteRT cannot load " + setup_.model, "a .tflite model",
                "status " + std::to_string(status) + "; see worker.log",
                "give the benchmark's .tflite file with --model-path");
  }

  const Setup setup_;
  const lite::Functions library_;
  lite::Environment* environment_ = nullptr;  // kept until the process ends, as the model
  std::unique_ptr<Compiler> compiler_;
};

}  // namespace

std::unique_ptr<Engine> make_engine(const Setup& setup) { return std::make_unique<LiteEngine>(setup); }
