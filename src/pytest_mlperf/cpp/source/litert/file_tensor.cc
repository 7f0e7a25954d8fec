#include "file_tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>

#include "fault.h"
#include "tensors.h"

namespace {

// As plain_name of pytest_mlperf/backends/tensor_names.py.
std::string plain_name(const std::string& name) {
  static const std::regex around("^serving_default_|((:|__)[0-9]+)?(_dequantized_output)?$");
  return std::regex_replace(name, around, "");
}

FileTensor read(const lite::Functions& library, lite::Tensor* tensor, size_t index) {
  FileTensor found;
  const char* name = "";
  lite::check(library.GetTensorName(tensor, &name), "reading a tensor's name");
  found.name = name;
  found.index = index;
  lite::check(library.GetRankedTensorType(tensor, &found.type), "reading a tensor's type");
  int kind = 0;
  lite::check(library.GetQuantizationTypeId(tensor, &kind), "reading how a tensor is quantised");
  if (kind == lite::kPerTensor) {
    lite::check(library.GetPerTensorQuantization(tensor, &found.quantisation), "reading how a tensor is quantised");
  }
  return found;
}

// The tensors on one side of the file's only signature.
std::vector<FileTensor> tensors_of(const lite::Functions& library, lite::Model* model,
                                   lite::Status (*count_of)(lite::Signature*, size_t*),
                                   lite::Status (*tensor_at)(lite::Signature*, size_t, lite::Tensor**)) {
  lite::Signature* signature = nullptr;
  size_t count = 0;
  lite::check(library.GetModelSignature(model, 0, &signature), "reading the signature");
  lite::check(count_of(signature, &count), "counting the tensors");
  std::vector<FileTensor> found;
  for (size_t n = 0; n < count; ++n) {
    lite::Tensor* tensor = nullptr;
    lite::check(tensor_at(signature, n, &tensor), "reading a tensor");
    found.push_back(read(library, tensor, n));
  }
  return found;
}

template <typename T>
void quantise(const lite::Quantisation& steps, const float* values, size_t count, void* target) {
  const float zero = static_cast<float>(steps.zero_point);
  const float least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
  for (size_t n = 0; n < count; ++n) {
    const float step = std::rint(values[n] / steps.scale) + zero;
    static_cast<T*>(target)[n] = static_cast<T>(std::min(std::max(step, least), most));
  }
}

template <typename T>
void restore(const lite::Quantisation& steps, const void* values, size_t count, float* target) {
  const float zero = static_cast<float>(steps.zero_point);
  for (size_t n = 0; n < count; ++n) {
    target[n] = (static_cast<float>(static_cast<const T*>(values)[n]) - zero) * steps.scale;
  }
}

Fault unknown(const FileTensor& tensor) {
  return Fault("ModelError", "the program cannot run this .tflite file", "tensors quantised to int8 or uint8",
               tensor.name + " of the element type " + std::to_string(tensor.type.element),
               "use --implementation python");
}

}  // namespace

Type type_of(int element) {
  switch (element) {
    case lite::kFloat32: return Type::float32;
    case lite::kFloat64: return Type::float64;
    case lite::kInt64: return Type::int64;
    case lite::kInt32: return Type::int32;
    case lite::kUint8: return Type::uint8;
    case lite::kInt8: return Type::int8;
    default: return Type::other;
  }
}

Type FileTensor::element() const { return type_of(type.element); }

Tensor FileTensor::described() const {
  Tensor tensor{name, quantised() ? "float32" : name_of(element()), {}};
  for (size_t n = 0; n < type.layout.rank; ++n) tensor.shape.push_back(n == 0 ? -1 : type.layout.lengths[n]);
  return tensor;
}

std::vector<int> FileTensor::shape(int64_t batch) const {
  std::vector<int> lengths(type.layout.lengths, type.layout.lengths + type.layout.rank);
  for (int& length : lengths) length = std::max(length, 1);
  if (!lengths.empty()) lengths[0] = static_cast<int>(batch);
  return lengths;
}

std::vector<FileTensor> inputs_of(const lite::Functions& library, lite::Model* model) {
  return tensors_of(library, model, library.GetNumSignatureInputs, library.GetSignatureInputTensorByIndex);
}

std::vector<FileTensor> outputs_of(const lite::Functions& library, lite::Model* model) {
  return tensors_of(library, model, library.GetNumSignatureOutputs, library.GetSignatureOutputTensorByIndex);
}

std::vector<FileTensor> match(const std::vector<Tensor>& wanted, std::vector<FileTensor> found) {
  if (wanted.size() == 1 && found.size() == 1) {
    found[0].name = wanted[0].name;
    return found;
  }
  std::vector<FileTensor> ordered;
  for (const auto& tensor : wanted) {
    const auto is = [&](const FileTensor& each) { return plain_name(each.name) == plain_name(tensor.name); };
    if (std::count_if(found.begin(), found.end(), is) != 1) continue;
    const auto place = std::find_if(found.begin(), found.end(), is);
    ordered.push_back(*place);
    ordered.back().name = tensor.name;
    found.erase(place);
  }
  ordered.insert(ordered.end(), found.begin(), found.end());
  return ordered;
}

void to_file(const FileTensor& tensor, const float* values, size_t count, void* target) {
  if (tensor.element() == Type::uint8) return quantise<uint8_t>(tensor.quantisation, values, count, target);
  if (tensor.element() == Type::int8) return quantise<int8_t>(tensor.quantisation, values, count, target);
  throw unknown(tensor);
}

void from_file(const FileTensor& tensor, const void* values, size_t count, float* target) {
  if (tensor.element() == Type::uint8) return restore<uint8_t>(tensor.quantisation, values, count, target);
  if (tensor.element() == Type::int8) return restore<int8_t>(tensor.quantisation, values, count, target);
  throw unknown(tensor);
}
