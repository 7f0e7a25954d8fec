#include "settings.h"

#include <functional>
#include <map>

#include "fault.h"

namespace {

using mlperf::TestMode;
using mlperf::TestScenario;
using mlperf::TestSettings;
using Set = std::function<void(TestSettings&, Reader&)>;

const std::map<std::string, TestScenario> kScenarios = {{"SingleStream", TestScenario::SingleStream},
                                                        {"MultiStream", TestScenario::MultiStream},
                                                        {"Server", TestScenario::Server},
                                                        {"Offline", TestScenario::Offline}};
const std::map<std::string, TestMode> kModes = {{"AccuracyOnly", TestMode::AccuracyOnly},
                                                {"PerformanceOnly", TestMode::PerformanceOnly}};

template <typename T>
void read(T& field, Reader& words) {
  if constexpr (std::is_floating_point_v<T>) {
    field = words.real();
  } else {
    field = static_cast<T>(words.number());
  }
}

template <typename T>
Set to(T TestSettings::* field) {
  return [field](TestSettings& settings, Reader& words) { read(settings.*field, words); };
}

// By the name that LoadGen's Python binding gives a field.
#define FIELD(name) {#name, to(&TestSettings::name)}
const std::map<std::string, Set>& fields() {
  static const std::map<std::string, Set> all = {
      {"scenario", [](TestSettings& settings, Reader& words) { settings.scenario = kScenarios.at(words.text()); }},
      {"mode", [](TestSettings& settings, Reader& words) { settings.mode = kModes.at(words.text()); }},
      FIELD(single_stream_expected_latency_ns),
      FIELD(single_stream_target_latency_percentile),
      FIELD(multi_stream_expected_latency_ns),
      FIELD(multi_stream_target_latency_percentile),
      FIELD(multi_stream_samples_per_query),
      FIELD(server_target_qps),
      FIELD(server_target_latency_ns),
      FIELD(server_target_latency_percentile),
      FIELD(server_coalesce_queries),
      FIELD(server_find_peak_qps_decimals_of_precision),
      FIELD(server_find_peak_qps_boundary_step_size),
      FIELD(server_max_async_queries),
      FIELD(server_num_issue_query_threads),
      FIELD(offline_expected_qps),
      FIELD(sample_concatenate_permutation),
      FIELD(min_duration_ms),
      FIELD(max_duration_ms),
      FIELD(min_query_count),
      FIELD(max_query_count),
      FIELD(qsl_rng_seed),
      FIELD(sample_index_rng_seed),
      FIELD(schedule_rng_seed),
      FIELD(accuracy_log_rng_seed),
      FIELD(accuracy_log_probability),
      FIELD(accuracy_log_sampling_target),
      FIELD(test05),
      FIELD(test05_qsl_rng_seed),
      FIELD(test05_sample_index_rng_seed),
      FIELD(test05_schedule_rng_seed),
      FIELD(print_timestamps),
      FIELD(performance_issue_unique),
      FIELD(performance_issue_same),
      FIELD(performance_issue_same_index),
      FIELD(performance_sample_count_override),
      FIELD(accuracy_sample_count_override),
      FIELD(use_token_latencies),
      {"ttft_latency", to(&TestSettings::server_ttft_latency)},
      {"tpot_latency", to(&TestSettings::server_tpot_latency)},
      FIELD(infer_token_latencies),
      FIELD(token_latency_scaling_factor),
  };
  return all;
}
#undef FIELD

}  // namespace

mlperf::TestSettings read_settings(Reader& words) {
  TestSettings settings;
  while (!words.empty()) {
    const std::string& name = words.text();
    const auto found = fields().find(name);
    // A setting that is left out would make another test of the run.
    if (found == fields().end()) throw Fault("", "the program does not know LoadGen's setting " + name);
    found->second(settings, words);
  }
  return settings;
}
