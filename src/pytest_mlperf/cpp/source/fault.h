// What ends a run: an error with the parts that are shown to users.
#pragma once

#include <exception>
#include <string>
#include <utility>

// `kind` is a class of pytest_mlperf.errors; empty for anything that is no fault of the user's.
struct Fault : std::exception {
  Fault(std::string kind, std::string what, std::string expected = "", std::string found = "", std::string fix = "")
      : kind(std::move(kind)),
        text(std::move(what)),
        expected(std::move(expected)),
        found(std::move(found)),
        fix(std::move(fix)) {}

  const char* what() const noexcept override { return text.c_str(); }

  std::string kind, text, expected, found, fix;
};
