// What the stand-in for cuBLAS needs of the one for libcuda.
#pragma once

#include <cstddef>
#include <functional>

namespace driver {

// Whether all of this is inside one allocation of device memory.
bool contains(const void* address, size_t bytes);

// Does work of a stream now, or notes it if the stream is being captured.
void queue(void* stream, std::function<void()> work);

}  // namespace driver
