#include "instance.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "fault.h"
#include "tensors.h"

namespace {

size_t rounded_up(size_t bytes) { return (bytes / lite::kAlignment + 2) * lite::kAlignment; }

// The lengths of an input, filled up to a fixed batch.
std::vector<int> wanted_shape(const View& view, int64_t fixed_batch) {
  std::vector<int> shape(view.shape.begin(), view.shape.end());
  if (!shape.empty() && shape[0] < fixed_batch) shape[0] = static_cast<int>(fixed_batch);
  return shape;
}

// Copies a batch into a buffer; places of a fixed batch that it lacks get copies of its first sample.
void fill(const FileTensor& tensor, const View& view, const Buffer& buffer) {
  if (!tensor.quantised() && tensor.element() != view.type) throw Fault("", "an input has another type than the file");
  const size_t given = bytes_of(view) / bytes_of(view.type), row = given / static_cast<size_t>(view.shape[0]);
  const auto put = [&](size_t from, size_t to, size_t count) {
    const char* source = static_cast<const char*>(view.data) + from * bytes_of(view.type);
    char* target = static_cast<char*>(buffer.data()) + to * bytes_of(tensor.element());
    if (tensor.quantised()) {
      to_file(tensor, reinterpret_cast<const float*>(source), count, target);
    } else {
      std::memcpy(target, source, count * bytes_of(view.type));
    }
  };
  put(0, 0, given);
  for (size_t place = given; place < buffer.count(); place += row) put(0, place, row);
}

}  // namespace

Buffer::Buffer(const lite::Functions& library, const FileTensor& tensor, const std::vector<int>& shape)
    : library_(library) {
  lite::TensorType type = {};
  type.element = tensor.type.element;
  type.layout.rank = static_cast<uint32_t>(shape.size());
  for (size_t n = 0; n < shape.size(); ++n) {
    type.layout.lengths[n] = shape[n];
    count_ *= static_cast<size_t>(shape[n]);
  }
  bytes_ = count_ * bytes_of(tensor.element());
  data_ = std::aligned_alloc(lite::kAlignment, rounded_up(bytes_));  // vector code may read a little further
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_, 0, rounded_up(bytes_));
  const lite::Status status = library.CreateTensorBufferFromHostMemory(&type, data_, bytes_, nullptr, &buffer_);
  if (status != 0) {
    std::free(data_);
    lite::check(status, "naming memory");
  }
}

Buffer::~Buffer() {
  library_.DestroyTensorBuffer(buffer_);
  std::free(data_);
}

const std::vector<View>& Instance::run(const Signature& signature, const std::vector<View>& inputs) {
  std::vector<std::vector<int>> shapes;
  for (const View& view : inputs) shapes.push_back(wanted_shape(view, signature.fixed_batch));
  if (shapes != shapes_) resize(signature, shapes);
  for (size_t n = 0; n < inputs.size(); ++n) fill(signature.inputs[n], inputs[n], *inputs_[n]);
  invoke();
  see(signature, inputs[0].shape[0]);
  return views_;
}

void Instance::run_empty(const Signature& signature, int64_t batch) {
  std::vector<std::vector<int>> shapes;
  for (const auto& tensor : signature.inputs) shapes.push_back(tensor.shape(batch));
  resize(signature, shapes);
  invoke();
}

bool Instance::takes(const Signature& signature, int64_t batch) {
  try {
    run_empty(signature, batch);
  } catch (const Fault&) {
    shapes_.clear();
    return false;
  }
  for (size_t n = 0; n < signature.read; ++n) {
    const auto& shape = output_shapes_[signature.outputs[n].index];
    if (shape.empty() || shape[0] != batch) return false;
  }
  return true;
}

void Instance::resize(const Signature& signature, const std::vector<std::vector<int>>& shapes) {
  shapes_.clear();  // not these, should one of the calls fail
  inputs_.clear();
  given_.assign(signature.inputs.size(), nullptr);
  for (size_t n = 0; n < shapes.size(); ++n) {
    const FileTensor& tensor = signature.inputs[n];
    lite::check(library_.CompiledModelResizeInputTensorNonStrict(model_, 0, tensor.index, shapes[n].data(),
                                                                 shapes[n].size()),
                "resizing an input");
    inputs_.push_back(std::make_unique<Buffer>(library_, tensor, shapes[n]));
    given_[tensor.index] = inputs_.back()->get();
  }
  make_outputs(signature);
  shapes_ = shapes;
}

// The new shapes reach the outputs when their layouts are asked for.
void Instance::make_outputs(const Signature& signature) {
  std::vector<lite::Layout> layouts(signature.outputs.size());
  lite::check(library_.GetCompiledModelOutputTensorLayouts(model_, 0, layouts.size(), layouts.data(), true),
              "making room for a batch of this size");
  outputs_.clear();
  taken_.assign(layouts.size(), nullptr);
  output_shapes_.clear();
  for (const auto& layout : layouts) output_shapes_.emplace_back(layout.lengths, layout.lengths + layout.rank);
  for (const auto& tensor : signature.outputs) {
    for (const int length : output_shapes_[tensor.index]) {
      if (length < 0) throw Fault("", "LiteRT: the length of " + tensor.name + " is known only when the model has run");
    }
    outputs_.push_back(std::make_unique<Buffer>(library_, tensor, output_shapes_[tensor.index]));
    taken_[tensor.index] = outputs_.back()->get();
  }
}

void Instance::invoke() {
  lite::check(library_.RunCompiledModel(model_, 0, given_.size(), given_.data(), taken_.size(), taken_.data()),
              "an inference");
}

void Instance::see(const Signature& signature, int64_t count) {
  views_.resize(signature.read);
  restored_.resize(signature.read);
  for (size_t n = 0; n < signature.read; ++n) {
    const FileTensor& tensor = signature.outputs[n];
    const auto& shape = output_shapes_[tensor.index];
    View& view = views_[n];
    view = {outputs_[n]->data(), tensor.element(), {shape.begin(), shape.end()}};
    if (signature.fixed_batch > count && !shape.empty()) view.shape[0] = count;
    if (!tensor.quantised()) continue;
    restored_[n].resize(outputs_[n]->count());
    from_file(tensor, outputs_[n]->data(), outputs_[n]->count(), restored_[n].data());
    view.data = restored_[n].data();
    view.type = Type::float32;
  }
}
