// Runs launches that the stand-in driver has noted, in a program that can be watched as a JVM can't
// be: under ThreadSanitizer. Prints the number of launches of each kernel.
//
//   replay FILE forward|reverse|random

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "launch.h"

namespace {

using Memory = std::unique_ptr<void, void (*)(void*)>;

struct Allocation {
  uint64_t bytes;
  Memory memory;
};

void get(std::ifstream& in, void* to, size_t bytes) {
  if (!in.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes))) {
    std::fprintf(stderr, "the file ends within a launch\n");
    std::exit(2);
  }
}

uint64_t number(std::ifstream& in) {
  uint64_t value;
  get(in, &value, sizeof value);
  return value;
}

// A copy of the next bytes, aligned as device memory is.
Memory read(std::ifstream& in, size_t bytes) {
  Memory memory(std::aligned_alloc(256, (bytes + 255) / 256 * 256), std::free);
  get(in, memory.get(), bytes);
  return memory;
}

// Where pointers into the driver's memory point here; other words stay as they are.
void move(const std::map<uint64_t, Allocation>& memory, const Memory& words, size_t bytes) {
  auto* word = static_cast<uint64_t*>(words.get());
  for (size_t i = 0; i < bytes / sizeof *word; i++) {
    auto after = memory.upper_bound(word[i]);
    if (after != memory.begin()) {
      auto& [first, allocation] = *std::prev(after);
      if (word[i] - first <= allocation.bytes) {
        word[i] = reinterpret_cast<uint64_t>(allocation.memory.get()) + (word[i] - first);
      }
    }
  }
}

std::string replay(std::ifstream& in, execution::Order order) {
  std::string name(number(in), ' ');
  get(in, name.data(), name.size());
  execution::Index grid;
  execution::Index block;
  get(in, &grid, sizeof grid);
  get(in, &block, sizeof block);
  auto clusterSize = static_cast<unsigned>(number(in));
  size_t sharedBytes = number(in);
  size_t parameterBytes = number(in);
  Memory parameters = read(in, parameterBytes);
  std::map<uint64_t, Allocation> memory;
  for (uint64_t count = number(in); count > 0; count--) {
    uint64_t first = number(in);
    uint64_t bytes = number(in);
    memory.emplace(first, Allocation{bytes, read(in, bytes)});
  }
  move(memory, parameters, parameterBytes);
  for (auto& [first, allocation] : memory) {
    move(memory, allocation.memory, allocation.bytes);
  }
  const execution::Kernel* kernel = execution::findKernel(name.c_str());
  const char* problem = kernel == nullptr ? "is not in this program"
      : execution::launch(
            *kernel, grid, block, clusterSize, sharedBytes, parameters.get(), order, 1);
  if (problem != nullptr) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), problem);
    std::exit(1);
  }
  return name;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "expected a file and an order; came %d arguments\n", count - 1);
    return 2;
  }
  std::ifstream in(arguments[1], std::ios::binary);
  std::map<std::string, int> launches;
  while (in.peek() != std::ifstream::traits_type::eof()) {
    launches[replay(in, execution::orderNamed(arguments[2]))]++;
  }
  for (auto& [kernel, number] : launches) {
    std::printf("%s %d\n", kernel.c_str(), number);
  }
  return 0;
}
