// What a cubin, the ELF file of one architecture's machine code, says of its kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cubin {

struct Parameter {
  uint32_t ordinal;
  size_t offset;
  size_t bytes;
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  size_t parameterBytes;
  unsigned maxThreads;  // of a block; 0 without launch bounds
};

// Whether it is one, and no fatbin, PTX or something else.
bool isCubin(const void* image);

std::vector<Kernel> read(const void* image);

}  // namespace cubin
