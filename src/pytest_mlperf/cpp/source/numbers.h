// Numbers as text in messages.
#pragma once

#include <cstdlib>
#include <string>

#include "channel.h"
#include "fault.h"

// Reads the texts of a message one after the other.
class Reader {
 public:
  explicit Reader(const Message& message, size_t first = 0) : message_(message), next_(first) {}

  bool empty() const { return next_ >= message_.size(); }

  const std::string& text() {
    if (empty()) throw Fault("", "a message of the Python process is too short");
    return message_[next_++];
  }

  long long whole() { return std::strtoll(text().c_str(), nullptr, 10); }
  size_t number() { return std::strtoull(text().c_str(), nullptr, 10); }
  double real() { return std::strtod(text().c_str(), nullptr); }

 private:
  const Message& message_;
  size_t next_;
};

// Returns a number that `Reader::real` and Python read as the same one.
std::string exact(double value);
