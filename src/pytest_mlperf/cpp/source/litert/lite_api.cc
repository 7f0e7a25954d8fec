// Takes each function from the library.
#include "lite_api.h"

#include <dlfcn.h>

#include "fault.h"

namespace lite {
namespace {

Fault unusable(const std::string& path, const std::string& found) {
  return Fault("RequirementError", path + " cannot be used", "the shared library of LiteRT 2.2 or newer", found,
               "install another ai-edge-litert, or use --implementation python");
}

template <typename F>
void take(F& function, void* library, const std::string& path, const char* name) {
  function = reinterpret_cast<F>(::dlsym(library, name));
  if (function == nullptr) throw unusable(path, std::string("it has no ") + name);
}

}  // namespace

#define TAKE(name) take(name, library, path, "LiteRt" #name)
Functions::Functions(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw unusable(path, ::dlerror());
  TAKE(CreateEnvironment);
  TAKE(CreateModelFromFile);
  TAKE(GetModelSignature);
  TAKE(GetNumSignatureInputs);
  TAKE(GetNumSignatureOutputs);
  TAKE(GetSignatureInputTensorByIndex);
  TAKE(GetSignatureOutputTensorByIndex);
  TAKE(GetTensorName);
  TAKE(GetRankedTensorType);
  TAKE(GetQuantizationTypeId);
  TAKE(GetPerTensorQuantization);
  TAKE(CreateOptions);
  TAKE(DestroyOptions);
  TAKE(SetOptionsHardwareAccelerators);
  TAKE(CreateOpaqueOptions);
  TAKE(AddOpaqueOptions);
  TAKE(CreateCompiledModel);
  TAKE(DestroyCompiledModel);
  TAKE(CompiledModelIsFullyAccelerated);
  TAKE(CompiledModelResizeInputTensorNonStrict);
  TAKE(GetCompiledModelOutputTensorLayouts);
  TAKE(CreateTensorBufferFromHostMemory);
  TAKE(DestroyTensorBuffer);
  TAKE(RunCompiledModel);
}
#undef TAKE

void check(Status status, const char* what) {
  if (status != 0) throw Fault("", std::string("LiteRT: ") + what + " failed with status " + std::to_string(status));
}

}  // namespace lite
