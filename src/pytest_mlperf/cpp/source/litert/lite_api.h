// The part of LiteRT's C API that is used here. The wheel has the library without headers, so these declarations are our
// own: those of version 2.2 and later. (Before it, a model was made without an environment.)
// Signatures: litert/c/*.h of google-ai-edge/LiteRT.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lite {

struct Environment;
struct Model;
struct Options;
struct OpaqueOptions;
struct CompiledModel;
struct Signature;
struct Tensor;
struct TensorBuffer;

using Status = int;  // 0 is success
constexpr int kCpu = 1;
constexpr int kPerTensor = 1;  // of the kinds of quantisation
// LiteRtElementType.
constexpr int kFloat32 = 1, kInt32 = 2, kUint8 = 3, kInt64 = 4, kInt8 = 9, kFloat64 = 11;
constexpr size_t kMostDimensions = 8;
// Of memory that is given to the runtime.
constexpr size_t kAlignment = 64;

// LiteRtLayout: 7 bits of rank, and one that says whether there are strides.
struct Layout {
  uint32_t rank : 7;
  uint32_t has_strides : 1;
  int32_t lengths[kMostDimensions];
  uint32_t strides[kMostDimensions];
};

// LiteRtRankedTensorType.
struct TensorType {
  int32_t element;
  Layout layout;
};
static_assert(sizeof(Layout) == 68 && sizeof(TensorType) == 72, "the library reads and writes these");

// LiteRtQuantizationPerTensor.
struct Quantisation {
  float scale;
  int64_t zero_point;
};

// The functions by name, without the prefix LiteRt.
struct Functions {
  // Opens a library, which is never closed. Throws where it cannot be used.
  explicit Functions(const std::string& path);

  Status (*CreateEnvironment)(int count, const void* options, Environment**);
  Status (*CreateModelFromFile)(Environment*, const char* path, Model**);
  Status (*GetModelSignature)(Model*, size_t index, Signature**);
  Status (*GetNumSignatureInputs)(Signature*, size_t*);
  Status (*GetNumSignatureOutputs)(Signature*, size_t*);
  Status (*GetSignatureInputTensorByIndex)(Signature*, size_t, Tensor**);
  Status (*GetSignatureOutputTensorByIndex)(Signature*, size_t, Tensor**);
  Status (*GetTensorName)(Tensor*, const char**);
  Status (*GetRankedTensorType)(Tensor*, TensorType*);
  Status (*GetQuantizationTypeId)(Tensor*, int*);
  Status (*GetPerTensorQuantization)(Tensor*, Quantisation*);
  Status (*CreateOptions)(Options**);
  void (*DestroyOptions)(Options*);
  Status (*SetOptionsHardwareAccelerators)(Options*, int);
  Status (*CreateOpaqueOptions)(const char* name, void* text, void (*release)(void*), OpaqueOptions**);
  Status (*AddOpaqueOptions)(Options*, OpaqueOptions*);
  Status (*CreateCompiledModel)(Environment*, Model*, Options*, CompiledModel**);
  void (*DestroyCompiledModel)(CompiledModel*);
  Status (*CompiledModelIsFullyAccelerated)(CompiledModel*, bool*);
  Status (*CompiledModelResizeInputTensorNonStrict)(CompiledModel*, size_t signature, size_t input, const int* lengths,
                                                    size_t rank);
  Status (*GetCompiledModelOutputTensorLayouts)(CompiledModel*, size_t signature, size_t count, Layout*, bool update);
  Status (*CreateTensorBufferFromHostMemory)(const TensorType*, void* memory, size_t bytes, void (*release)(void*),
                                             TensorBuffer**);
  void (*DestroyTensorBuffer)(TensorBuffer*);
  Status (*RunCompiledModel)(CompiledModel*, size_t signature, size_t input_count, TensorBuffer**, size_t output_count,
                             TensorBuffer**);
};

// Throws what is no fault of the user's: a failed inference, above all. `what` was done.
void check(Status status, const char* what);

}  // namespace lite
