// The place of each function in ONNX Runtime's table.
#include "ort_api.h"

namespace ort {
namespace {

template <typename F>
void take(F& function, const void* const* api, size_t place) {
  function = reinterpret_cast<F>(const_cast<void*>(api[place]));
}

}  // namespace

Functions::Functions(const void* const* api) {
  take(get_error_message, api, 2);
  take(create_env, api, 3);
  take(create_session, api, 7);
  take(run, api, 9);
  take(create_session_options, api, 10);
  take(set_log_level, api, 22);
  take(set_intra_op_threads, api, 24);
  take(set_inter_op_threads, api, 25);
  take(input_count, api, 30);
  take(output_count, api, 31);
  take(input_type, api, 33);
  take(output_type, api, 34);
  take(input_name, api, 36);
  take(output_name, api, 37);
  take(create_tensor, api, 49);
  take(get_data, api, 51);
  take(cast_type_info, api, 55);
  take(element_type, api, 60);
  take(rank, api, 61);
  take(shape, api, 62);
  take(value_info, api, 65);
  take(create_memory_info, api, 69);
  take(free, api, 76);
  take(get_allocator, api, 78);
  take(release_status, api, 93);
  take(release_session, api, 95);
  take(release_value, api, 96);
  take(release_type_info, api, 98);
  take(release_shape_info, api, 99);
  take(release_session_options, api, 100);
  take(add_config, api, 130);
}

}  // namespace ort
