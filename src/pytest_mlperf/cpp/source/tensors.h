// Inputs and outputs: their types, their sizes, and whether a model has those that its benchmark wants.
#pragma once

#include <string>
#include <vector>

#include "engine.h"

// By numpy's name; throws where the program has no such inputs.
Type type_named(const std::string& dtype);
// The name in numpy.
std::string name_of(Type type);
// Bytes of an element, and of all elements.
size_t bytes_of(Type type);
size_t bytes_of(const View& view);

// Throws unless a model has the wanted inputs or outputs, by name, type and shape, as check_tensors of
// pytest_mlperf/backends/contract.py does. `kind` is input or output: a model may have more outputs than the benchmark
// reads, but not more inputs. Where nothing is wanted, nothing is checked.
void check_tensors(const std::string& model, const std::string& kind, const std::vector<Tensor>& wanted,
                   const std::vector<Tensor>& found);
