// How the stand-in driver runs a kernel.
#pragma once

#include "execution.h"

namespace execution {

enum class Order { FORWARD, REVERSE, RANDOM };

// "reverse" or "random"; anything else, or null, is forward.
Order orderNamed(const char* name);

// The first of the kernels' list.
const Kernel* firstKernel();

// The kernel of that name, or null.
const Kernel* findKernel(const char* name);

// Runs a grid, clusters of so many blocks along x one after the other. Returns null, or what went
// wrong. One launch at a time.
const char* launch(const Kernel& kernel, Index grid, Index block, unsigned clusterSize,
    size_t sharedBytes, const void* parameters, Order order, uint32_t seed);

}  // namespace execution
