// The clock that nobody sets, on which the test is timed beside LoadGen's.
#pragma once

#include <cstdint>

#include <time.h>

inline int64_t raw_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}
