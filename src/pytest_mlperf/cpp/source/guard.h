// Ends the process at a fault, in whichever thread it happens, and when the process that started it has ended.
#pragma once

#include <functional>
#include <mutex>

#include "channel.h"

constexpr int kFailed = 70, kOrphaned = 71;

class Guard {
 public:
  explicit Guard(Channel& channel) : channel_(channel) {}

  // Calls `work`. Whatever it throws is told to the other process, and this one ends: LoadGen's threads do not outlive
  // an exception.
  void run(const std::function<void()>& work);

 private:
  [[noreturn]] void fail(const Message& message);

  Channel& channel_;
  std::mutex failing_;
};

// Ends the process when the other end of a pipe is closed; what is no pipe is ignored.
void exit_with_parent(int lifeline);

// Writes the frames of a crash to standard error before the process ends by its signal.
void show_crashes();
