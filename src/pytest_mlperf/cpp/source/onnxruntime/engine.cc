// ONNX Runtime as an engine, set up as pytest_mlperf/backends/onnxruntime.py does: the same answers to the last bit.
#include <cstdlib>
#include <memory>

#include <dlfcn.h>

#include "engine.h"
#include "fault.h"
#include "ort_api.h"
#include "tensors.h"

namespace {

// The library, whose functions are never unloaded.
class Library {
 public:
  explicit Library(const std::string& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw unusable(path, ::dlerror());
    const auto base = symbol<const OrtApiBase* (*)()>("OrtGetApiBase");
    if (base == nullptr) throw unusable(path, "it has no OrtGetApiBase");
    version_ = base()->get_version_string();
    const void* const* api = base()->get_api(ort::kVersion);
    if (api == nullptr) throw unusable(path, "ONNX Runtime " + version_);
    functions_ = std::make_unique<ort::Functions>(api);
  }

  template <typename F>
  F symbol(const char* name) const {
    return reinterpret_cast<F>(::dlsym(handle_, name));
  }

  const ort::Functions& operator*() const { return *functions_; }
  const ort::Functions* operator->() const { return functions_.get(); }
  const std::string& version() const { return version_; }

  // Returns the text of a status; empty if all is well. Releases it.
  std::string text(OrtStatus* status) const {
    if (status == nullptr) return "";
    std::string found = functions_->get_error_message(status);
    functions_->release_status(status);
    return found.empty() ? "an error without a text" : found;
  }

  // Throws what is no fault of the user's: a failed inference, above all.
  void check(OrtStatus* status) const {
    if (status != nullptr) throw Fault("", "ONNX Runtime: " + text(status));
  }

 private:
  static Fault unusable(const std::string& path, const std::string& found) {
    return Fault("RequirementError", path + " cannot be used",
                 "the shared library of ONNX Runtime 1." + std::to_string(ort::kVersion) + " or newer", found,
                 "install another onnxruntime, or name a directory with its library by --onnxruntime-dir");
  }

  void* handle_;
  std::string version_;
  std::unique_ptr<ort::Functions> functions_;
};

// Releases what the library made.
template <typename T>
using Owned = std::unique_ptr<T, ort::Release<T>>;

Type type_of(int element) {
  switch (element) {
    case ort::kFloat: return Type::float32;
    case ort::kDouble: return Type::float64;
    case ort::kInt64: return Type::int64;
    case ort::kInt32: return Type::int32;
    case ort::kUint8: return Type::uint8;
    case ort::kInt8: return Type::int8;
    default: return Type::other;
  }
}

int element_of(Type type) {
  switch (type) {
    case Type::float32: return ort::kFloat;
    case Type::float64: return ort::kDouble;
    case Type::int64: return ort::kInt64;
    case Type::int32: return ort::kInt32;
    case Type::uint8: return ort::kUint8;
    case Type::int8: return ort::kInt8;
    default: throw Fault("", "an input of a type that the program cannot give to ONNX Runtime");
  }
}

std::string dtype_of(int element) {
  switch (element) {
    case ort::kFloat: return "float32";
    case ort::kDouble: return "float64";
    case ort::kFloat16: return "float16";
    case ort::kInt64: return "int64";
    case ort::kInt32: return "int32";
    case ort::kUint8: return "uint8";
    case ort::kInt8: return "int8";
    case ort::kBool: return "bool";
    default: return "type " + std::to_string(element);
  }
}

class OrtRunner : public Runner {
 public:
  OrtRunner(const Library& library, OrtSession* session, const OrtMemoryInfo* memory, const Setup& setup)
      : library_(library), session_(session), memory_(memory) {
    for (const auto& input : setup.inputs) input_names_.push_back(input.name.c_str());
    for (const auto& output : setup.outputs) output_names_.push_back(output.name.c_str());
    inputs_.resize(input_names_.size());
    outputs_.resize(output_names_.size());
    views_.resize(output_names_.size());
  }

  ~OrtRunner() override { release(outputs_); }

  const std::vector<View>& run(const std::vector<View>& inputs) override {
    release(outputs_);
    for (size_t n = 0; n < inputs.size(); ++n) {
      const View& view = inputs[n];
      library_.check(library_->create_tensor(memory_, const_cast<void*>(view.data), bytes_of(view), view.shape.data(),
                                             view.shape.size(), element_of(view.type), &inputs_[n]));
    }
    OrtStatus* const status =
        library_->run(session_, nullptr, input_names_.data(), inputs_.data(), inputs_.size(), output_names_.data(),
                      output_names_.size(), outputs_.data());
    release(inputs_);
    library_.check(status);
    for (size_t n = 0; n < outputs_.size(); ++n) see(outputs_[n], views_[n]);
    return views_;
  }

 private:
  void release(std::vector<OrtValue*>& values) {
    for (OrtValue*& value : values) {
      if (value != nullptr) library_->release_value(value);
      value = nullptr;
    }
  }

  void see(OrtValue* value, View& view) {
    OrtTensorTypeAndShapeInfo* info = nullptr;
    library_.check(library_->value_info(value, &info));
    const Owned<OrtTensorTypeAndShapeInfo> owned(info, library_->release_shape_info);
    int element = 0;
    size_t rank = 0;
    library_.check(library_->element_type(info, &element));
    library_.check(library_->rank(info, &rank));
    view.type = type_of(element);
    view.shape.resize(rank);
    library_.check(library_->shape(info, view.shape.data(), rank));
    void* data = nullptr;
    library_.check(library_->get_data(value, &data));
    view.data = data;
  }

  const Library& library_;
  OrtSession* session_;
  const OrtMemoryInfo* memory_;
  std::vector<const char*> input_names_, output_names_;
  std::vector<OrtValue*> inputs_, outputs_;
  std::vector<View> views_;
};

class OrtModel : public Model {
 public:
  OrtModel(const Library& library, Owned<OrtSession> session, const OrtMemoryInfo* memory, const Setup& setup,
           int64_t max_batch)
      : library_(library), session_(std::move(session)), memory_(memory), setup_(setup), max_batch_(max_batch) {}

  std::unique_ptr<Runner> runner() override {
    return std::make_unique<OrtRunner>(library_, session_.get(), memory_, setup_);
  }

  int64_t max_batch() const override { return max_batch_; }

 private:
  const Library& library_;
  Owned<OrtSession> session_;
  const OrtMemoryInfo* memory_;
  const Setup& setup_;
  int64_t max_batch_;
};

class OrtEngine : public Engine {
 public:
  explicit OrtEngine(const Setup& setup) : setup_(setup), library_(setup.library) {
    library_.check(library_->create_env(ort::kWarning, "pytest_mlperf", &environment_));
    library_.check(library_->create_memory_info(ort::kDeviceAllocator, ort::kDefaultMemory, &memory_));
  }

  std::string version() const override { return library_.version(); }

  std::unique_ptr<Model> load(int threads) override {
    const auto options = session_options(threads);
    OrtSession* made = nullptr;
    const std::string fault =
        library_.text(library_->create_session(environment_, setup_.model.c_str(), options.get(), &made));
    if (!fault.empty()) {
      throw Fault("ModelError", "ONNX Runtime cannot load " + setup_.model, "an ONNX model",
                  fault.substr(0, fault.find('\n')).substr(0, 300),
                  "give the benchmark's ONNX file with --model-path, or leave the option out");
    }
    Owned<OrtSession> session(made, library_->release_session);
    const auto inputs = tensors(made, library_->input_count, library_->input_name, library_->input_type);
    check_tensors(setup_.model, "input", setup_.inputs, inputs);
    check_tensors(setup_.model, "output", setup_.outputs,
                  tensors(made, library_->output_count, library_->output_name, library_->output_type));
    return std::make_unique<OrtModel>(library_, std::move(session), memory_, setup_, max_batch(inputs));
  }

 private:
  Owned<OrtSessionOptions> session_options(int threads) const {
    OrtSessionOptions* made = nullptr;
    library_.check(library_->create_session_options(&made));
    Owned<OrtSessionOptions> options(made, library_->release_session_options);
    library_.check(library_->set_intra_op_threads(made, threads));
    library_.check(library_->set_inter_op_threads(made, 1));
    // A thread that spins during post-processing takes a core from another stream.
    library_.check(library_->add_config(made, "session.intra_op.allow_spinning", threads > 1 ? "1" : "0"));
    library_.check(library_->set_log_level(made, ort::kError));
    for (const auto& [name, value] : setup_.options) {
      library_.check(library_->add_config(made, name.c_str(), value.c_str()));
    }
    if (setup_.device != "cpu") append_cuda(made);
    return options;
  }

  void append_cuda(OrtSessionOptions* options) const {
    const auto append = library_.symbol<ort::AppendCuda>("OrtSessionOptionsAppendExecutionProvider_CUDA");
    const size_t colon = setup_.device.find(':');  // cuda:1 is the second
    const int number = colon == std::string::npos ? 0 : std::atoi(setup_.device.c_str() + colon + 1);
    const std::string fault =
        append == nullptr ? "a build of ONNX Runtime without it" : library_.text(append(options, number));
    if (fault.empty()) return;
    throw Fault("RequirementError", "ONNX Runtime cannot run on " + setup_.device + " here",
                "the CUDAExecutionProvider", fault,
                "install onnxruntime-gpu and the CUDA libraries that its version needs, name a build with "
                "--onnxruntime-dir, or choose --device cpu");
  }

  std::vector<Tensor> tensors(OrtSession* session, ort::GetCount count_of, ort::GetName name_of,
                              ort::GetTypeInfo type_of) const {
    OrtAllocator* allocator = nullptr;
    library_.check(library_->get_allocator(&allocator));
    size_t count = 0;
    library_.check(count_of(session, &count));
    std::vector<Tensor> found(count);
    for (size_t n = 0; n < count; ++n) {
      char* name = nullptr;
      library_.check(name_of(session, n, allocator, &name));
      found[n].name = name;
      library_.check(library_->free(allocator, name));
      OrtTypeInfo* type = nullptr;
      library_.check(type_of(session, n, &type));
      const Owned<OrtTypeInfo> owned(type, library_->release_type_info);
      describe(type, found[n]);
    }
    return found;
  }

  void describe(const OrtTypeInfo* type, Tensor& tensor) const {
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    library_.check(library_->cast_type_info(type, &info));
    if (info == nullptr) {
      tensor.dtype = "no tensor";
      return;
    }
    int element = 0;
    size_t rank = 0;
    library_.check(library_->element_type(info, &element));
    library_.check(library_->rank(info, &rank));
    tensor.dtype = dtype_of(element);
    tensor.shape.resize(rank);
    library_.check(library_->shape(info, tensor.shape.data(), rank));
  }

  // The benchmark may fix a batch size that is variable in the file.
  int64_t max_batch(const std::vector<Tensor>& inputs) const {
    int64_t least = 0;
    for (const auto* tensors : {&setup_.inputs, &inputs}) {
      for (const auto& tensor : *tensors) {
        const int64_t batch = tensor.shape.empty() ? -1 : tensor.shape[0];
        if (batch > 0 && (least == 0 || batch < least)) least = batch;
      }
    }
    return least;
  }

  const Setup setup_;
  Library library_;
  OrtEnv* environment_ = nullptr;  // kept until the process ends, as the memory info
  OrtMemoryInfo* memory_ = nullptr;
};

}  // namespace

std::unique_ptr<Engine> make_engine(const Setup& setup) { return std::make_unique<OrtEngine>(setup); }
