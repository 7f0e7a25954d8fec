// ONNX Runtime with a fault: the real library's table, in which Run fails in the way that $FAULT names after 20 calls.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <unistd.h>

namespace {

using Run = void* (*)(void*, const void*, const char* const*, const void* const*, size_t, const char* const*, size_t,
                      void**);
using CreateStatus = void* (*)(int, const char*);
struct Base {
  const void* const* (*get_api)(uint32_t);
  const char* (*get_version_string)();
};

constexpr size_t kFunctions = 280;  // of version 17
const Base* real = nullptr;
const void* table[kFunctions];
std::atomic<int> calls{0};

void* run(void* session, const void* options, const char* const* inputs, const void* const* values, size_t input_count,
          const char* const* outputs, size_t output_count, void** made) {
  if (++calls > 20) {
    if (std::strcmp(std::getenv("FAULT"), "segfaults") == 0) *static_cast<volatile int*>(nullptr) = 1;
    if (std::strcmp(std::getenv("FAULT"), "exits") == 0) std::_Exit(0);
    while (std::strcmp(std::getenv("FAULT"), "hangs") == 0) ::pause();
    return reinterpret_cast<CreateStatus>(const_cast<void*>(real->get_api(17)[0]))(1, "the 21st inference failed");
  }
  return reinterpret_cast<Run>(const_cast<void*>(real->get_api(17)[9]))(session, options, inputs, values, input_count,
                                                                        outputs, output_count, made);
}

const void* const* get_api(uint32_t version) {
  std::memcpy(table, real->get_api(version), sizeof table);
  table[9] = reinterpret_cast<const void*>(&run);
  return table;
}

}  // namespace

extern "C" const Base* OrtGetApiBase() {
  void* library = ::dlopen(std::getenv("REAL_LIBRARY"), RTLD_NOW);
  real = reinterpret_cast<const Base* (*)()>(::dlsym(library, "OrtGetApiBase"))();
  static const Base mine = {get_api, real->get_version_string};
  return &mine;
}
