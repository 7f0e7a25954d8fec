// A system under test over LoadGen's C++ API. A Python process starts it, prepares the samples and asks for the test:
// see pytest_mlperf/cpp. The first argument is the descriptor of the socket between them.
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "channel.h"
#include "guard.h"
#include "worker.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("pytest-mlperf starts this program with the descriptor of a socket\n", stderr);
    return EXIT_FAILURE;
  }
  exit_with_parent(STDIN_FILENO);
  show_crashes();
  Channel channel(std::atoi(arguments[1]));
  Guard guard(channel);
  guard.run([&] {
    const Message setup = channel.receive();
    Worker worker(channel, guard, Reader(setup));
    channel.send({"done"});
    while (true) {
      Message reply = worker.serve(channel.receive());
      reply.insert(reply.begin(), "done");
      channel.send(reply);
    }
  });
}
