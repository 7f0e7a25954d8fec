// Does what the Python process asks for: loads models, rehearses layouts, runs the test.
#pragma once

#include <map>
#include <memory>

#include "answers.h"
#include "channel.h"
#include "engine.h"
#include "guard.h"
#include "numbers.h"
#include "samples.h"
#include "systems.h"

class Worker {
 public:
  // `setup` is the first message, see pytest_mlperf/cpp/program.py.
  Worker(Channel& channel, Guard& guard, Reader setup);

  // Answers one request.
  Message serve(const Message& request);

 private:
  Message load(Reader& words);
  Message hold(Reader& words, bool loads);
  Message rehearse(Reader& words);
  Message keep(Reader& words);
  Message infer(Reader& words);
  Message test(Reader& words);
  Model& model(int threads);

  Channel& channel_;
  Guard& guard_;
  Setup setup_;
  std::unique_ptr<SampleFile> file_;
  std::unique_ptr<Samples> samples_;
  std::unique_ptr<Answers> answers_;
  std::unique_ptr<Engine> engine_;
  std::map<int, std::unique_ptr<Model>> models_;  // by threads; all streams of a layout share one
};
