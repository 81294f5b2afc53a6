#include "cubin.h"

#include <cstring>
#include <elf.h>

namespace cubin {

namespace {

constexpr uint16_t MACHINE_CUDA = 190;
constexpr char INFO[] = ".nv.info.";  // and the kernel's name

// Entries of such a section: format, attribute, and 16 bits that are the value or its size.
struct Entry {
  uint8_t format;
  uint8_t attribute;
  uint16_t value;
};
constexpr uint8_t FORMAT_SIZED = 4;
constexpr uint8_t MAX_THREADS = 0x05;
constexpr uint8_t PARAMETER = 0x17;
constexpr uint8_t PARAMETER_BYTES = 0x19;

struct ParameterInfo {
  uint32_t index;
  uint16_t ordinal;
  uint16_t offset;
  uint32_t packed;  // the size is the upper 14 bits
};

template <class T>
T at(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

Kernel kernel(const char* name, const char* info, size_t bytes) {
  Kernel result = {name, {}, 0, 0};
  for (const char* end = info + bytes; info < end;) {
    auto entry = at<Entry>(info);
    info += sizeof entry;
    if (entry.attribute == PARAMETER_BYTES) {
      result.parameterBytes = entry.value;
    } else if (entry.attribute == PARAMETER) {
      auto p = at<ParameterInfo>(info);
      result.parameters.push_back({p.ordinal, p.offset, p.packed >> 18});
    } else if (entry.attribute == MAX_THREADS) {
      result.maxThreads = at<uint32_t>(info) * at<uint32_t>(info + 4) * at<uint32_t>(info + 8);
    }
    info += entry.format == FORMAT_SIZED ? entry.value : 0;
  }
  return result;
}

}  // namespace

bool isCubin(const void* image) {
  const auto* bytes = static_cast<const char*>(image);
  return std::memcmp(bytes, ELFMAG, SELFMAG) == 0 && bytes[EI_CLASS] == ELFCLASS64
      && at<Elf64_Ehdr>(bytes).e_machine == MACHINE_CUDA;
}

std::vector<Kernel> read(const void* image) {
  const auto* bytes = static_cast<const char*>(image);
  auto header = at<Elf64_Ehdr>(bytes);
  auto section = [&](size_t i) {
    return at<Elf64_Shdr>(bytes + header.e_shoff + i * header.e_shentsize);
  };
  const char* names = bytes + section(header.e_shstrndx).sh_offset;
  std::vector<Kernel> kernels;
  for (size_t i = 0; i < header.e_shnum; i++) {
    Elf64_Shdr s = section(i);
    const char* name = names + s.sh_name;
    if (std::strncmp(name, INFO, sizeof INFO - 1) == 0) {
      kernels.push_back(kernel(name + sizeof INFO - 1, bytes + s.sh_offset, s.sh_size));
    }
  }
  return kernels;
}

}  // namespace cubin
