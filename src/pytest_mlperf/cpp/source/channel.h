// Messages to and from the Python process that started this one. A message is a list of texts.
#pragma once

#include <mutex>
#include <string>
#include <vector>

using Message = std::vector<std::string>;

class Channel {
 public:
  explicit Channel(int descriptor) : descriptor_(descriptor) {}

  // Any thread may send.
  void send(const Message& message);
  // Returns the next message; ends this process when the other one has closed the channel.
  Message receive();

 private:
  void read(void* data, size_t size);

  int descriptor_;
  std::mutex sending_;
};
