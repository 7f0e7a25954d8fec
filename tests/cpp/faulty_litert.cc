// LiteRT with a fault: the real library but for inferences, which fail in the way that $FAULT names after 20 calls.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <unistd.h>

namespace {

using Run = int (*)(void*, size_t, size_t, void**, size_t, void**);
std::atomic<int> calls{0};

}  // namespace

extern "C" int LiteRtRunCompiledModel(void* model, size_t signature, size_t input_count, void** inputs,
                                      size_t output_count, void** outputs) {
  static const Run real = reinterpret_cast<Run>(::dlsym(RTLD_NEXT, "LiteRtRunCompiledModel"));
  if (++calls > 20) {
    if (std::strcmp(std::getenv("FAULT"), "segfaults") == 0) *static_cast<volatile int*>(nullptr) = 1;
    if (std::strcmp(std::getenv("FAULT"), "exits") == 0) std::_Exit(0);
    while (std::strcmp(std::getenv("FAULT"), "hangs") == 0) ::pause();
    return 3;
  }
  return real(model, signature, input_count, inputs, output_count, outputs);
}
