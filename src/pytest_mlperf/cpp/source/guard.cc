#include "guard.h"

#include <csignal>
#include <new>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#endif

#include "fault.h"

void Guard::run(const std::function<void()>& work) {
  try {
    work();
  } catch (const Fault& fault) {
    fail({"fault", fault.kind, fault.text, fault.expected, fault.found, fault.fix});
  } catch (const std::bad_alloc& error) {
    fail({"fault", "MemoryError", error.what(), "", "", ""});
  } catch (const std::exception& error) {
    fail({"fault", "", error.what(), "", "", ""});
  } catch (...) {
    fail({"fault", "", "an exception of an unknown type", "", "", ""});
  }
}

void Guard::fail(const Message& message) {
  failing_.lock();  // never released: only the first fault is reported
  channel_.send(message);
  ::_exit(kFailed);
}

void exit_with_parent(int lifeline) {
  struct stat status = {};
  if (::fstat(lifeline, &status) != 0 || !S_ISFIFO(status.st_mode)) return;
  std::thread([lifeline] {
    char byte = 0;
    while (::read(lifeline, &byte, 1) > 0) {
    }
    ::_exit(kOrphaned);
  }).detach();
}

namespace {

constexpr int kFrames = 10;  // as many lines as an error shows of a log's end

void crashed(int number) {
  static const char text[] = "the C++ program crashed; its frames:\n";
  if (::write(STDERR_FILENO, text, sizeof text - 1) < 0) ::_exit(kFailed);
#if __has_include(<execinfo.h>)
  void* frames[kFrames];
  ::backtrace_symbols_fd(frames, ::backtrace(frames, kFrames), STDERR_FILENO);
#endif
  ::raise(number);  // the handler is gone: SA_RESETHAND
}

}  // namespace

void show_crashes() {
  struct sigaction action = {};
  action.sa_handler = crashed;
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigaction(number, &action, nullptr);
}
