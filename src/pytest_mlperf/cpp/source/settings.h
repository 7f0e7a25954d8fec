// LoadGen's settings, as the Python process has made them.
#pragma once

#include <string>

#include "numbers.h"
#include "test_settings.h"

// Reads pairs of a field of TestSettings and its value until the message ends.
mlperf::TestSettings read_settings(Reader& words);
