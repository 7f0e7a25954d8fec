// Messages as pytest_mlperf/cpp/channel.py has them: a count, then each text with its length, as 32-bit numbers of this
// machine.
#include "channel.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include <unistd.h>

#include "guard.h"

namespace {

void append(std::string& bytes, size_t number) {
  const auto value = static_cast<uint32_t>(number);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

void Channel::send(const Message& message) {
  std::string bytes;
  append(bytes, message.size());
  for (const auto& text : message) {
    append(bytes, text.size());
    bytes += text;
  }
  const std::lock_guard<std::mutex> lock(sending_);
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::write(descriptor_, bytes.data() + sent, bytes.size() - sent);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ::_exit(kOrphaned);
    sent += static_cast<size_t>(count);
  }
}

Message Channel::receive() {
  uint32_t count = 0;
  read(&count, sizeof count);
  Message message(count);
  for (auto& text : message) {
    uint32_t size = 0;
    read(&size, sizeof size);
    text.resize(size);
    read(text.data(), size);
  }
  return message;
}

void Channel::read(void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = ::read(descriptor_, static_cast<char*>(data) + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) ::_exit(count == 0 ? EXIT_SUCCESS : kOrphaned);
    done += static_cast<size_t>(count);
  }
}
