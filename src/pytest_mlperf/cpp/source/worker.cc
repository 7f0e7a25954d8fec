#include "worker.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>

#include "answer_times.h"
#include "clock.h"
#include "fault.h"
#include "loadgen.h"
#include "settings.h"
#include "tensors.h"

namespace {

Tensor read_tensor(Reader& words) {
  Tensor tensor;
  tensor.name = words.text();
  tensor.dtype = words.text();
  tensor.shape.resize(words.number());
  for (auto& length : tensor.shape) length = words.whole();
  return tensor;
}

Layout read_layout(Reader& words) {
  Layout layout;
  layout.streams = words.number();
  layout.threads = static_cast<int>(words.number());
  layout.batch = words.number();
  return layout;
}

// Not from getrusage: its maximum survives exec and so includes the parent's.
uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

// A stream whose answers are counted instead of sent to LoadGen.
class Rehearsal : public Answering {
 public:
  explicit Rehearsal(Stream& stream) : stream_(stream) {}

  void answer(const mlperf::QuerySample* batch, size_t count) override {
    stream_.infer(batch, count);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ += count;
    }
    finished_.notify_one();
  }

  // Waits until `query` samples are answered by all streams.
  static void wait(size_t query) {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_.wait(lock, [&] { return done_ >= query; });
    done_ -= query;
  }

 private:
  static std::mutex mutex_;
  static std::condition_variable finished_;
  static size_t done_;
  Stream& stream_;
};

std::mutex Rehearsal::mutex_;
std::condition_variable Rehearsal::finished_;
size_t Rehearsal::done_ = 0;

// Notes when the first query was issued, and of a performance test when each was.
class Timed : public mlperf::SystemUnderTest {
 public:
  Timed(System& system, std::atomic<int64_t>& issued, RunTimes* times)
      : system_(system), issued_(issued), times_(times) {}

  const std::string& Name() override { return system_.Name(); }
  void FlushQueries() override { system_.FlushQueries(); }
  void IssueQuery(const Batch& query) override {
    if (issued_.load(std::memory_order_relaxed) == 0) issued_ = raw_ns();
    if (times_ != nullptr) times_->came(query);
    system_.IssueQuery(query);
  }

 private:
  System& system_;
  std::atomic<int64_t>& issued_;
  RunTimes* times_;
};

}  // namespace

Worker::Worker(Channel& channel, Guard& guard, Reader setup) : channel_(channel), guard_(guard) {
  file_ = std::make_unique<SampleFile>(static_cast<int>(setup.number()));
  const size_t total = setup.number();
  setup_.library = setup.text();
  setup_.model = setup.text();
  setup_.device = setup.text();
  for (size_t count = setup.number(); count > 0; --count) {
    const std::string name = setup.text();
    setup_.options.emplace_back(name, setup.text());
  }
  for (size_t count = setup.number(); count > 0; --count) setup_.inputs.push_back(read_tensor(setup));
  for (size_t count = setup.number(); count > 0; --count) setup_.outputs.push_back(read_tensor(setup));
  Message encoding;
  while (!setup.empty()) encoding.push_back(setup.text());
  answers_ = make_answers(encoding);
  samples_ = std::make_unique<Samples>(channel, guard, *file_, setup_.inputs, total);
  engine_ = make_engine(setup_);
}

Message Worker::serve(const Message& request) {
  Reader words(request);
  const std::string& what = words.text();
  if (what == "version") return {engine_->version()};
  if (what == "model") return load(words);
  if (what == "hold") return hold(words, true);
  if (what == "release") return hold(words, false);
  if (what == "rehearse") return rehearse(words);
  if (what == "keep") return keep(words);
  if (what == "infer") return infer(words);
  if (what == "test") return test(words);
  throw Fault("", "there is no request " + what);
}

Model& Worker::model(int threads) {
  auto& found = models_[threads];
  if (found == nullptr) found = engine_->load(threads);
  return *found;
}

// model THREADS: loads it; returns its largest batch.
Message Worker::load(Reader& words) { return {std::to_string(model(static_cast<int>(words.number())).max_batch())}; }

// keep THREADS STREAMS: closes all other models, and what more streams need, so that they take no memory of the run.
Message Worker::keep(Reader& words) {
  const int threads = static_cast<int>(words.number());
  model(threads).keep(words.number());
  for (auto each = models_.begin(); each != models_.end();) {
    each = each->first == threads ? std::next(each) : models_.erase(each);
  }
  return {};
}

// infer THREADS START SIZE (PLACE RANK LENGTH...)...: runs one batch of what is in the part of the file, without an
// encoding, and writes the outputs behind it. Returns for each its type, its bytes, and its lengths with their number.
Message Worker::infer(Reader& words) {
  const auto runner = model(static_cast<int>(words.number())).runner();
  const size_t start = words.number(), size = words.number();
  const char* part = file_->map(start, size);
  std::vector<View> inputs(setup_.inputs.size());
  for (size_t n = 0; n < inputs.size(); ++n) {
    inputs[n].data = part + words.number();
    inputs[n].type = type_named(setup_.inputs[n].dtype);
    inputs[n].shape.resize(words.number());
    for (auto& length : inputs[n].shape) length = static_cast<int64_t>(words.number());
  }
  Message reply;
  size_t end = start + size;
  for (const View& view : runner->run(inputs)) {
    file_->write(end, view.data, bytes_of(view));
    end += bytes_of(view);
    reply.insert(reply.end(), {name_of(view.type), std::to_string(bytes_of(view)), std::to_string(view.shape.size())});
    for (const int64_t length : view.shape) reply.push_back(std::to_string(length));
  }
  file_->forget();
  return reply;
}

// hold COUNT, release COUNT: keeps the first samples in memory for rehearsals.
Message Worker::hold(Reader& words, bool loads) {
  std::vector<mlperf::QuerySampleIndex> indices(words.number());
  std::iota(indices.begin(), indices.end(), 0);
  loads ? samples_->LoadSamplesToRam(indices) : samples_->UnloadSamplesFromRam(indices);
  return {};
}

// rehearse SCENARIO LAYOUT QUERY SAMPLES SECONDS: answers queries of so many of the samples held, for about so many
// seconds. Returns samples per second, and the median of the seconds of a query.
Message Worker::rehearse(Reader& words) {
  const std::string scenario = words.text();
  const Layout layout = read_layout(words);
  Batch query(words.number());
  const size_t held = words.number();
  const double enough = words.real();
  for (size_t n = 0; n < query.size(); ++n) query[n] = {n, n % held};

  std::atomic<int64_t> answering{0};
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Rehearsal>> rehearsals;
  Serving serving{{}, layout.batch, guard_, 0, {}, nullptr};
  for (size_t n = 0; n < layout.streams; ++n) {
    streams.push_back(std::make_unique<Stream>(model(layout.threads), setup_.inputs, *samples_, *answers_, *file_,
                                               answering));
    rehearsals.push_back(std::make_unique<Rehearsal>(*streams.back()));
    serving.streams.push_back(rehearsals.back().get());
  }
  const auto system = make_system(scenario == "Server" ? "Offline" : scenario, std::move(serving));
  const auto once = [&] {
    const auto start = std::chrono::steady_clock::now();
    system->IssueQuery(query);
    Rehearsal::wait(query.size());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  once();
  double total = 0;
  std::vector<double> seconds;
  while (total < enough) total += seconds.emplace_back(once());
  system->close();
  std::sort(seconds.begin(), seconds.end());
  return {exact(static_cast<double>(query.size() * seconds.size()) / total), exact(seconds[seconds.size() / 2])};
}

// test SCENARIO LAYOUT OUTPUT AUDIT TIMES TIMED BOUND COSTS AT-ONCE SIZES (SIZE SECONDS)... (SETTING VALUE)...: runs LoadGen's test.
// Returns the samples done, the peak memory, whether answers were dropped from the file TIMES (none if its name is
// empty), and on CLOCK_MONOTONIC_RAW when samples were loaded, the first query was issued, the last answer was given and
// samples were unloaded.
Message Worker::test(Reader& words) {
  const std::string scenario = words.text();
  const Layout layout = read_layout(words);
  mlperf::LogSettings log_settings;
  log_settings.log_output.outdir = words.text();
  log_settings.enable_trace = false;  // on by default; costs 660 bytes and 9 us per query
  const std::string audit = words.text(), times_path = words.text(), timed_words = words.text();
  Serving serving{{}, layout.batch, guard_, words.real(), {}, nullptr};
  if (words.number() != 0) serving.costs = samples_.get();
  samples_->set_at_once(words.number());
  serving.latency.resize(words.number());
  for (auto& each : serving.latency) {
    each.size = words.number();
    each.seconds = words.real();
  }
  const mlperf::TestSettings settings = read_settings(words);

  std::atomic<int64_t> issued{0}, answering{0};
  std::vector<std::unique_ptr<Stream>> streams;
  for (size_t n = 0; n < layout.streams; ++n) {
    streams.push_back(std::make_unique<Stream>(model(layout.threads), setup_.inputs, *samples_, *answers_, *file_,
                                               answering));
    serving.streams.push_back(streams.back().get());
  }
  RunTimes times(timed_words);
  const bool noted = !times_path.empty();
  for (const auto& stream : streams) {
    if (noted) stream->note(times);
  }
  const auto system = make_system(scenario, std::move(serving));
  Timed timed(*system, issued, noted ? &times : nullptr);
  const uint64_t before = file_->done();
  samples_->watch(&issued);
  mlperf::StartTest(&timed, samples_.get(), settings, log_settings, audit);
  const int64_t ended = raw_ns();
  samples_->watch(nullptr);
  system->close();
  Message result = {std::to_string(file_->done() - before), std::to_string(peak_memory_bytes())};
  result.push_back(noted && times.write(times_path) ? "1" : "0");
  const int64_t unloading = samples_->unloading() != 0 ? samples_->unloading() : ended;
  for (const int64_t moment : {samples_->loaded(), issued.load(), answering.load(), unloading}) {
    result.push_back(std::to_string(moment));
  }
  return result;
}
