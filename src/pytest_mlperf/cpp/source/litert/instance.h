// One compiled model, which one thread at a time may run.
#pragma once

#include <memory>
#include <vector>

#include "engine.h"
#include "file_tensor.h"
#include "lite_api.h"

// Memory for a tensor of a shape, and the runtime's name for it.
class Buffer {
 public:
  Buffer(const lite::Functions& library, const FileTensor& tensor, const std::vector<int>& shape);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t count() const { return count_; }  // elements
  size_t bytes() const { return bytes_; }
  lite::TensorBuffer* get() const { return buffer_; }

 private:
  const lite::Functions& library_;
  size_t count_ = 1, bytes_ = 0;
  void* data_ = nullptr;
  lite::TensorBuffer* buffer_ = nullptr;
};

// The tensors of a file in the benchmark's order. A batch of 0 is any.
struct Signature {
  std::vector<FileTensor> inputs, outputs;
  size_t read = 0;  // the first outputs, which the benchmark reads
  int64_t own_batch = 1, fixed_batch = 0;
};

class Instance {
 public:
  Instance(const lite::Functions& library, lite::CompiledModel* model) : library_(library), model_(model) {}
  ~Instance() {
    if (model_ != nullptr) library_.DestroyCompiledModel(model_);
  }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Runs one batch; the views are of the outputs that the benchmark reads, and hold until the next one.
  const std::vector<View>& run(const Signature& signature, const std::vector<View>& inputs);
  // Runs a batch of zeros.
  void run_empty(const Signature& signature, int64_t batch);
  // Returns whether the file runs a batch of this size and has as many answers.
  bool takes(const Signature& signature, int64_t batch);

 private:
  void resize(const Signature& signature, const std::vector<std::vector<int>>& shapes);
  void make_outputs(const Signature& signature);
  void invoke();
  void see(const Signature& signature, int64_t count);

  const lite::Functions& library_;
  lite::CompiledModel* model_;
  std::vector<std::vector<int>> shapes_, output_shapes_;  // of the inputs, and of the outputs
  std::vector<std::unique_ptr<Buffer>> inputs_, outputs_;
  std::vector<lite::TensorBuffer*> given_, taken_;  // in the order of the file's signature
  std::vector<std::vector<float>> restored_;        // quantised outputs
  std::vector<View> views_;
};
