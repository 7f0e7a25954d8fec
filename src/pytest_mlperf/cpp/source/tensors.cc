#include "tensors.h"

#include <algorithm>

#include "fault.h"

namespace {

std::string shown(const std::vector<Tensor>& tensors) {
  std::string text;
  for (const auto& tensor : tensors) {
    text += (text.empty() ? "" : ", ") + tensor.name + " " + tensor.dtype + "[";
    for (size_t n = 0; n < tensor.shape.size(); ++n) {
      text += (n == 0 ? "" : ",") + (tensor.shape[n] < 0 ? std::string("n") : std::to_string(tensor.shape[n]));
    }
    text += "]";
  }
  return text;
}

bool agrees(const Tensor& wanted, const Tensor& found) {
  if (wanted.dtype != found.dtype || wanted.shape.size() != found.shape.size()) return false;
  return std::equal(wanted.shape.begin(), wanted.shape.end(), found.shape.begin(),
                    [](int64_t want, int64_t have) { return want < 0 || have < 0 || want == have; });
}

}  // namespace

Type type_named(const std::string& dtype) {
  if (dtype == "float32") return Type::float32;
  if (dtype == "float64") return Type::float64;
  if (dtype == "int64") return Type::int64;
  if (dtype == "int32") return Type::int32;
  if (dtype == "uint8") return Type::uint8;
  if (dtype == "int8") return Type::int8;
  throw Fault("", "the program has no inputs of type " + dtype);
}

std::string name_of(Type type) {
  switch (type) {
    case Type::float32: return "float32";
    case Type::float64: return "float64";
    case Type::int64: return "int64";
    case Type::int32: return "int32";
    case Type::uint8: return "uint8";
    case Type::int8: return "int8";
    default: return "a type that the program does not know";
  }
}

size_t bytes_of(Type type) {
  switch (type) {
    case Type::float64:
    case Type::int64: return 8;
    case Type::float32:
    case Type::int32: return 4;
    default: return 1;
  }
}

size_t bytes_of(const View& view) {
  size_t bytes = bytes_of(view.type);
  for (const int64_t length : view.shape) bytes *= static_cast<size_t>(length);
  return bytes;
}

void check_tensors(const std::string& model, const std::string& kind, const std::vector<Tensor>& wanted,
                   const std::vector<Tensor>& found) {
  const bool all = std::all_of(wanted.begin(), wanted.end(), [&](const Tensor& tensor) {
    return std::any_of(found.begin(), found.end(),
                       [&](const Tensor& have) { return have.name == tensor.name && agrees(tensor, have); });
  });
  if (wanted.empty() || (all && (kind == "output" || wanted.size() == found.size()))) return;
  throw Fault("ModelError", model + " is not a model of this benchmark: its " + kind + "s differ",
              kind + "s: " + shown(wanted), shown(found),
              "export the model with these " + kind + "s, or give another file with --model-path");
}
