// What a runtime is to the rest of the program. Each program is linked with one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

enum class Type { float32, float64, int64, int32, uint8, int8, other };

// Numbers somewhere in memory.
struct View {
  const void* data = nullptr;
  Type type = Type::other;
  std::vector<int64_t> shape;
};

// An input or output as the benchmark wants it. A length below 0 is any.
struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};

// What an engine needs to know.
struct Setup {
  std::string library, model, device;
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<Tensor> inputs, outputs;
};

// Runs batches, one after the other. `run` returns the outputs in the order of the setup; they are there until the next
// batch.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual const std::vector<View>& run(const std::vector<View>& inputs) = 0;
};

class Model {
 public:
  virtual ~Model() = default;
  // Returns a runner for one stream.
  virtual std::unique_ptr<Runner> runner() = 0;
  // The largest batch; 0 for any.
  virtual int64_t max_batch() const = 0;
  // Frees what more than so many runners need.
  virtual void keep(size_t runners) { static_cast<void>(runners); }
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<Model> load(int threads) = 0;
  // Empty where the runtime does not tell.
  virtual std::string version() const = 0;
};

std::unique_ptr<Engine> make_engine(const Setup& setup);
