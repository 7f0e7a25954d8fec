// The inputs and outputs of a .tflite file: which one is which, and how they are quantised.
#pragma once

#include <vector>

#include "engine.h"
#include "lite_api.h"

struct FileTensor {
  std::string name;  // the benchmark's; the file's, where nobody wants it
  size_t index = 0;  // in the signature
  lite::TensorType type = {};
  lite::Quantisation quantisation = {0, 0};  // a scale of 0 for none

  bool quantised() const { return quantisation.scale != 0; }
  // What the benchmark's contract is compared with: a quantised tensor stands for float32, and the batch is open.
  Tensor described() const;
  Type element() const;
  // The shape for a batch; an open length of the file is 1.
  std::vector<int> shape(int64_t batch) const;
};

Type type_of(int element);

// Returns the inputs or the outputs of a file's first signature.
std::vector<FileTensor> inputs_of(const lite::Functions& library, lite::Model* model);
std::vector<FileTensor> outputs_of(const lite::Functions& library, lite::Model* model);

// Returns the file's tensors in the benchmark's order and with its names, as match of
// pytest_mlperf/backends/tflite_tensors.py does: by name, without what converters put around it; what nobody wants last.
std::vector<FileTensor> match(const std::vector<Tensor>& wanted, std::vector<FileTensor> found);

// Writes `count` float32 in the file's type, rounded to its steps and cut off; and back.
void to_file(const FileTensor& tensor, const float* values, size_t count, void* target);
void from_file(const FileTensor& tensor, const void* values, size_t count, float* target);
