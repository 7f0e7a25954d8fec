// The part of ONNX Runtime's C API that is used here. The API is a table of functions that only grows at its end, so that
// a place in it is the same in every version: our own declarations do instead of the headers, which no wheel has.
// Places: struct OrtApi of onnxruntime_c_api.h.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtApiBase {
  const void* const* (*get_api)(uint32_t version);
  const char* (*get_version_string)();
};

struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;

namespace ort {

// The newest version whose table has everything below, with which ONNX Runtime 1.17 came.
constexpr uint32_t kVersion = 17;
constexpr int kWarning = 2, kError = 3;
// ONNXTensorElementDataType.
constexpr int kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7, kBool = 9, kFloat16 = 10, kDouble = 11;
// ONNXType, OrtAllocatorType, OrtMemType.
constexpr int kTensor = 1, kDeviceAllocator = 0, kDefaultMemory = 0;

using GetErrorMessage = const char* (*)(const OrtStatus*);
using CreateEnv = OrtStatus* (*)(int level, const char* name, OrtEnv**);
using CreateSession = OrtStatus* (*)(const OrtEnv*, const char* path, const OrtSessionOptions*, OrtSession**);
using Run = OrtStatus* (*)(OrtSession*, const OrtRunOptions*, const char* const* inputs, const OrtValue* const*,
                           size_t input_count, const char* const* outputs, size_t output_count, OrtValue**);
using CreateSessionOptions = OrtStatus* (*)(OrtSessionOptions**);
using SetLevel = OrtStatus* (*)(OrtSessionOptions*, int);
using GetCount = OrtStatus* (*)(const OrtSession*, size_t*);
using GetTypeInfo = OrtStatus* (*)(const OrtSession*, size_t, OrtTypeInfo**);
using GetName = OrtStatus* (*)(const OrtSession*, size_t, OrtAllocator*, char**);
using CreateTensor = OrtStatus* (*)(const OrtMemoryInfo*, void* data, size_t bytes, const int64_t* shape, size_t rank,
                                    int type, OrtValue**);
using GetData = OrtStatus* (*)(OrtValue*, void**);
using CastTypeInfo = OrtStatus* (*)(const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**);
using GetNumber = OrtStatus* (*)(const OrtTensorTypeAndShapeInfo*, int*);
using GetRank = OrtStatus* (*)(const OrtTensorTypeAndShapeInfo*, size_t*);
using GetShape = OrtStatus* (*)(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t);
using GetValueInfo = OrtStatus* (*)(const OrtValue*, OrtTensorTypeAndShapeInfo**);
using CreateMemoryInfo = OrtStatus* (*)(int allocator, int memory, OrtMemoryInfo**);
using Free = OrtStatus* (*)(OrtAllocator*, void*);
using GetAllocator = OrtStatus* (*)(OrtAllocator**);
template <typename T>
using Release = void (*)(T*);
using AddConfig = OrtStatus* (*)(OrtSessionOptions*, const char* key, const char* value);
// A function of its own, that only a build with the provider has.
using AppendCuda = OrtStatus* (*)(OrtSessionOptions*, int device);

// The functions by name. `api` is the table.
struct Functions {
  explicit Functions(const void* const* api);

  GetErrorMessage get_error_message;
  CreateEnv create_env;
  CreateSession create_session;
  Run run;
  CreateSessionOptions create_session_options;
  SetLevel set_log_level, set_intra_op_threads, set_inter_op_threads;
  GetCount input_count, output_count;
  GetTypeInfo input_type, output_type;
  GetName input_name, output_name;
  CreateTensor create_tensor;
  GetData get_data;
  CastTypeInfo cast_type_info;
  GetNumber element_type;
  GetRank rank;
  GetShape shape;
  GetValueInfo value_info;
  CreateMemoryInfo create_memory_info;
  Free free;
  GetAllocator get_allocator;
  Release<OrtStatus> release_status;
  Release<OrtSession> release_session;
  Release<OrtValue> release_value;
  Release<OrtTypeInfo> release_type_info;
  Release<OrtTensorTypeAndShapeInfo> release_shape_info;
  Release<OrtSessionOptions> release_session_options;
  AddConfig add_config;
};

}  // namespace ort
