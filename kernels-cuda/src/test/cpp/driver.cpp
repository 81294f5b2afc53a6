// A stand-in for libcuda.so.1 that is no GPU: it runs the kernels it was built with on the CPU. It
// offers the entry points that the bindings use, and is stricter than a driver where that finds
// errors: ranges of copies, memory freed twice, writes beside an allocation, parameter sizes, limits of
// a launch. Work in a stream is done when it is queued, unless the stream is being captured.
//
// Environment: BOREALIS_STANDIN_ORDER = forward | reverse | random, BOREALIS_STANDIN_SEED of the
// latter, BOREALIS_STANDIN_CAPABILITY = 80, or 90 for what is launched from sm_90 on.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cubin.h"
#include "driver.h"
#include "launch.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using Result = int;
using Pointer = unsigned long long;

constexpr Result SUCCESS = 0;
constexpr Result INVALID_VALUE = 1;
constexpr Result OUT_OF_MEMORY = 2;
constexpr Result NOT_INITIALIZED = 3;
constexpr Result INVALID_DEVICE = 101;
constexpr Result INVALID_IMAGE = 200;
constexpr Result INVALID_CONTEXT = 201;
constexpr Result INVALID_HANDLE = 400;
constexpr Result NOT_FOUND = 500;
constexpr Result ILLEGAL_ADDRESS = 700;
constexpr Result LAUNCH_FAILED = 719;
constexpr Result STREAM_CAPTURE_UNSUPPORTED = 900;

const std::map<Result, const char*> NAMES = {
    {SUCCESS, "CUDA_SUCCESS"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
    {STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"}};

constexpr size_t TOTAL_MEMORY = size_t{4} << 30;
#ifdef BOREALIS_EXACT
constexpr size_t ZONE = 0;    // an address checker watches both ends
#else
constexpr size_t ZONE = 256;  // before and behind each allocation
#endif
constexpr unsigned char POISON = 0xff;
constexpr int DEFAULT_SHARED = 48 * 1024;
constexpr int MOST_SHARED = 99 * 1024;  // of sm_86 and later; sm_80 and sm_90 have more

struct Allocation {
  unsigned char* base;
  size_t bytes;
};

struct Stream {
  bool capturing = false;
  std::vector<std::function<Result()>> captured;
};

struct Graph {
  std::vector<std::function<Result()>> nodes;
};

struct Function {
  const execution::Kernel* kernel;
  int dynamicShared = DEFAULT_SHARED;
};

struct Module {
  std::map<std::string, Function> functions;
};

std::recursive_mutex lock;
std::map<Pointer, Allocation> memory;  // by the first byte
size_t used = 0;
int failingAllocation = 0;  // from now, 1 is the next; 0: none
std::map<std::string, int> largestShared;  // of each kernel's launches
std::map<void*, size_t> pinned;
std::set<Module*> modules;
int contexts = 0;
std::string lastError;  // told by cuGetErrorString
bool initialized = false;

Result error(Result code, const std::string& detail) {
  lastError = "no GPU, the CPU stand-in: " + detail;
  return code;
}

// Whether [address, address + bytes) is inside one allocation.
bool contains(Pointer address, size_t bytes) {
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) {
    return false;
  }
  auto& [first, allocation] = *std::prev(after);
  return address - first <= allocation.bytes && bytes <= allocation.bytes - (address - first);
}

// The first byte beside an allocation that was written to; a description, or nothing.
std::string damage(Pointer first, const Allocation& allocation) {
  for (size_t i = 0; i < ZONE; i++) {
    bool before = allocation.base[i] != POISON;
    if (before || allocation.base[ZONE + allocation.bytes + i] != POISON) {
      char text[200];
      std::snprintf(text, sizeof text, "a write %zu bytes %s the %zu bytes at 0x%llx",
          before ? ZONE - i : i, before ? "before" : "behind", allocation.bytes, first);
      return text;
    }
  }
  return "";
}

Result allocate(Pointer* out, size_t bytes) {
  if (bytes == 0) {
    return error(INVALID_VALUE, "an allocation of 0 bytes");
  }
  if (failingAllocation > 0 && --failingAllocation == 0) {
    return error(OUT_OF_MEMORY, "the test wants it so");
  }
  if (bytes > TOTAL_MEMORY - used) {
    return error(OUT_OF_MEMORY, std::to_string(bytes) + " bytes are not free");
  }
  void* block = nullptr;
  if (posix_memalign(&block, 256, bytes + 2 * ZONE) != 0) {
    return error(OUT_OF_MEMORY, "the host has no memory left");
  }
  auto* base = static_cast<unsigned char*>(block);
  std::memset(base, POISON, bytes + 2 * ZONE);
  *out = reinterpret_cast<Pointer>(base + ZONE);
  memory[*out] = {base, bytes};
  used += bytes;
  return SUCCESS;
}

Result release(Pointer address) {
  auto found = memory.find(address);
  if (found == memory.end()) {
    return error(INVALID_VALUE, "free of memory that is not allocated, or was freed before");
  }
  std::string text = damage(found->first, found->second);
  used -= found->second.bytes;
  std::free(found->second.base);
  memory.erase(found);
  return text.empty() ? SUCCESS : error(ILLEGAL_ADDRESS, text);
}

// Does work now, or notes it for a graph.
Result queue(void* stream, std::function<Result()> work) {
  auto* s = static_cast<Stream*>(stream);
  if (s != nullptr && s->capturing) {
    s->captured.push_back(std::move(work));
    return SUCCESS;
  }
  return work();
}

Result copy(void* to, const void* from, size_t bytes, Pointer device, void* stream) {
  if (!contains(device, bytes)) {
    return error(INVALID_VALUE, "a copy of " + std::to_string(bytes) + " bytes leaves its allocation");
  }
  return queue(stream, [=] {
    std::memcpy(to, from, bytes);
    return SUCCESS;
  });
}

execution::Order chosenOrder = execution::orderNamed(std::getenv("BOREALIS_STANDIN_ORDER"));

int numberIn(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}

int chosenSeed = numberIn("BOREALIS_STANDIN_SEED", 1);

struct LaunchConfig {  // CUlaunchConfig
  execution::Index grid;
  execution::Index block;
  unsigned sharedBytes;
  void* stream;
  void* attributes;
  unsigned attributeCount;
};

struct LaunchAttribute {  // CUlaunchAttribute
  int id;
  int padding;
  int value[16];
};

constexpr int CLUSTER_DIMENSION = 4;
constexpr int PROGRAMMATIC_STREAM_SERIALIZATION = 6;
constexpr int PORTABLE_CLUSTER = 8;
int capability = numberIn("BOREALIS_STANDIN_CAPABILITY", 80);
int programmaticLaunches = 0;

// An attribute's value, or null.
const int* attribute(const LaunchConfig& config, int id) {
  const auto* attributes = static_cast<const LaunchAttribute*>(config.attributes);
  for (unsigned i = 0; i < config.attributeCount; i++) {
    if (attributes[i].id == id) {
      return attributes[i].value;
    }
  }
  return nullptr;
}

bool isProgrammatic(const LaunchConfig& config) {
  const int* value = attribute(config, PROGRAMMATIC_STREAM_SERIALIZATION);
  return value != nullptr && value[0] != 0;
}

// The blocks of a cluster along x, 1 without; 0 if there can be none like this.
unsigned clusterSize(const LaunchConfig& config) {
  const int* value = attribute(config, CLUSTER_DIMENSION);
  if (value == nullptr) {
    return 1;
  }
  bool legal = value[0] >= 1 && value[0] <= PORTABLE_CLUSTER && value[1] == 1 && value[2] == 1
      && config.grid.x % static_cast<unsigned>(value[0]) == 0;
  return legal ? static_cast<unsigned>(value[0]) : 0;
}

std::ofstream record;

// Finds what words point into, and what the words there do.
void find(const void* words, size_t bytes, std::map<Pointer, Allocation>& found) {
  for (size_t at = 0; at + sizeof(Pointer) <= bytes; at += sizeof(Pointer)) {
    Pointer pointer;
    std::memcpy(&pointer, static_cast<const char*>(words) + at, sizeof pointer);
    if (contains(pointer, 0)) {
      auto& entry = *std::prev(memory.upper_bound(pointer));
      if (found.insert(entry).second) {
        find(reinterpret_cast<const void*>(entry.first), entry.second.bytes, found);
      }
    }
  }
}

// Notes a launch with all memory that its parameters lead to, for replay.cpp.
void note(const Function& function, const LaunchConfig& config, unsigned cluster,
    const void* parameters) {
  auto put = [](const void* bytes, size_t count) {
    record.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(count));
  };
  auto number = [&](uint64_t value) { put(&value, sizeof value); };
  const execution::Kernel& kernel = *function.kernel;
  std::map<Pointer, Allocation> needed;
  find(parameters, kernel.parameterBytes, needed);
  number(std::strlen(kernel.name));
  put(kernel.name, std::strlen(kernel.name));
  put(&config.grid, sizeof config.grid);
  put(&config.block, sizeof config.block);
  number(cluster);
  number(config.sharedBytes);
  number(kernel.parameterBytes);
  put(parameters, kernel.parameterBytes);
  number(needed.size());
  for (auto& [first, allocation] : needed) {
    number(first);
    number(allocation.bytes);
    put(reinterpret_cast<const void*>(first), allocation.bytes);
  }
}

Result run(const Function& function, const LaunchConfig& config, unsigned cluster,
    const void* parameters, bool programmatic) {
  execution::setProgrammatic(programmatic);
  if (record.is_open()) {
    note(function, config, cluster, parameters);
  }
  const char* problem = execution::launch(*function.kernel, config.grid, config.block,
      cluster, config.sharedBytes, parameters, chosenOrder, static_cast<uint32_t>(chosenSeed));
  if (problem != nullptr) {
    return error(LAUNCH_FAILED, std::string(function.kernel->name) + ": " + problem);
  }
  for (auto& [first, allocation] : memory) {
    std::string text = damage(first, allocation);
    if (!text.empty()) {
      std::memset(allocation.base, POISON, ZONE);
      std::memset(allocation.base + ZONE + allocation.bytes, POISON, ZONE);
      return error(ILLEGAL_ADDRESS, std::string(function.kernel->name) + ": " + text);
    }
  }
  return SUCCESS;
}

// How a kernel of an image is not the one that was built for the CPU; or nothing.
std::string difference(const cubin::Kernel& device, const execution::Kernel* host) {
  if (host == nullptr) {
    return "is in the image, and not in the sources built for the CPU";
  }
  const auto& parameters = device.parameters;
  size_t bytes = host->parameterBytes;
  bool same = parameters.size() == 1 && parameters[0].ordinal == 0 && parameters[0].offset == 0
      && parameters[0].bytes == bytes && device.parameterBytes == bytes;
  if (!same) {
    return "has " + std::to_string(parameters.size()) + " parameters of "
        + std::to_string(device.parameterBytes) + " bytes in the image; built for the CPU it has one of "
        + std::to_string(bytes);
  }
  if (device.maxThreads != static_cast<unsigned>(host->maxThreads)) {
    return "has launch bounds of " + std::to_string(device.maxThreads)
        + " threads in the image; built for the CPU of " + std::to_string(host->maxThreads);
  }
  return "";
}

}  // namespace

// Of the stand-in alone: what tests set and ask.
EXPORT int borealisStandInOrder(int order) {
  std::lock_guard guard(lock);
  chosenOrder = static_cast<execution::Order>(order);
  return 0;
}

EXPORT int borealisStandInCapability(int newCapability) {
  std::lock_guard guard(lock);
  capability = newCapability;
  return 0;
}

EXPORT int borealisStandInProgrammaticLaunches() {
  std::lock_guard guard(lock);
  return programmaticLaunches;
}

// Notes all later launches in a file; with null, no more.
EXPORT int borealisStandInRecord(const char* file) {
  std::lock_guard guard(lock);
  record.close();
  if (file != nullptr) {
    record.open(file, std::ios::binary | std::ios::trunc);
  }
  return file == nullptr || record.is_open() ? 0 : 1;
}

// Lets an allocation fail, the next with 1; 0: none.
EXPORT int borealisStandInFailAllocation(int number) {
  std::lock_guard guard(lock);
  failingAllocation = number;
  return 0;
}

// The largest shared memory that launches of a kernel asked for, -1 without any.
EXPORT int borealisStandInLargestShared(const char* kernel) {
  std::lock_guard guard(lock);
  auto found = largestShared.find(kernel);
  return found == largestShared.end() ? -1 : found->second;
}

// Device allocations that are not freed.
EXPORT int borealisStandInAllocations() {
  std::lock_guard guard(lock);
  return static_cast<int>(memory.size());
}

EXPORT Result cuGetErrorName(int code, const char** out) {
  auto found = NAMES.find(code);
  *out = found == NAMES.end() ? nullptr : found->second;
  return found == NAMES.end() ? INVALID_VALUE : SUCCESS;
}

EXPORT Result cuGetErrorString(int code, const char** out) {
  *out = code == SUCCESS ? "no error" : lastError.c_str();
  return SUCCESS;
}

EXPORT Result cuInit(unsigned) {
  initialized = true;
  return SUCCESS;
}

EXPORT Result cuDriverGetVersion(int* out) {
  *out = 13000;
  return SUCCESS;
}

EXPORT Result cuDeviceGetCount(int* out) {
  *out = 1;
  return initialized ? SUCCESS : error(NOT_INITIALIZED, "cuInit was not called");
}

EXPORT Result cuDeviceGet(int* out, int ordinal) {
  *out = ordinal;
  return ordinal == 0 ? SUCCESS : error(INVALID_DEVICE, "there is device 0 only");
}

EXPORT Result cuDeviceGetName(char* out, int length, int) {
  std::snprintf(out, length, "Borealis CPU stand-in (not a GPU)");
  return SUCCESS;
}

EXPORT Result cuDeviceTotalMem_v2(size_t* out, int) {
  *out = TOTAL_MEMORY;
  return SUCCESS;
}

EXPORT Result cuDeviceGetAttribute(int* out, int attribute, int) {
  switch (attribute) {
    case 1: *out = 1024; break;       // threads a block
    case 2: case 3: *out = 1024; break;
    case 4: *out = 64; break;
    case 5: *out = 0x7fffffff; break; // blocks along x
    case 6: case 7: *out = 65535; break;
    case 8: *out = DEFAULT_SHARED; break;
    case 10: *out = 32; break;        // warp
    case 12: case 82: *out = 65536; break;
    case 16: *out = 1; break;         // multiprocessors
    case 75: *out = capability / 10; break;
    case 76: *out = capability % 10; break;
    case 81: *out = 100 * 1024; break;
    case 97: *out = MOST_SHARED; break;
    case 111: *out = 1024; break;
    case 115: *out = 1; break;        // stream-ordered allocation
    default: *out = 0;
  }
  return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRetain(void** out, int) {
  contexts++;
  *out = &contexts;
  return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRelease_v2(int) {
  if (contexts == 0) {
    return error(INVALID_CONTEXT, "the context was given back before");
  }
  contexts--;
  return SUCCESS;
}

EXPORT Result cuCtxSetCurrent(void* context) {
  return context == nullptr || context == &contexts
      ? SUCCESS : error(INVALID_CONTEXT, "not a context");
}

EXPORT Result cuCtxSynchronize() { return SUCCESS; }

// The kernels are those of the same sources, built for the CPU. A cubin has to have the same, with the
// same parameters and bounds; another image is not looked at.
EXPORT Result cuModuleLoadDataEx(void** out, const void* image, unsigned, void*, void**) {
  std::lock_guard guard(lock);
  if (image == nullptr) {
    return error(INVALID_VALUE, "no image");
  }
  auto module = std::make_unique<Module>();
  if (cubin::isCubin(image)) {
    for (const cubin::Kernel& device : cubin::read(image)) {
      const execution::Kernel* host = execution::findKernel(device.name.c_str());
      std::string problem = difference(device, host);
      if (!problem.empty()) {
        return error(INVALID_IMAGE, device.name + " " + problem);
      }
      module->functions[device.name].kernel = host;
    }
  } else {
    for (auto* kernel = execution::firstKernel(); kernel != nullptr; kernel = kernel->next) {
      module->functions[kernel->name].kernel = kernel;
    }
  }
  modules.insert(module.get());
  *out = module.release();
  return SUCCESS;
}

EXPORT Result cuModuleUnload(void* module) {
  std::lock_guard guard(lock);
  auto* m = static_cast<Module*>(module);
  if (modules.erase(m) == 0) {
    return error(INVALID_HANDLE, "not a module");
  }
  delete m;
  return SUCCESS;
}

EXPORT Result cuModuleGetFunction(void** out, void* module, const char* name) {
  std::lock_guard guard(lock);
  auto* m = static_cast<Module*>(module);
  if (modules.count(m) == 0) {
    return error(INVALID_HANDLE, "not a module");
  }
  auto found = m->functions.find(name);
  if (found == m->functions.end()) {
    return error(NOT_FOUND, std::string("no kernel ") + name);
  }
  *out = &found->second;
  return SUCCESS;
}

EXPORT Result cuFuncGetAttribute(int* out, int attribute, void* function) {
  auto* f = static_cast<Function*>(function);
  *out = attribute == 0 ? f->kernel->maxThreads : attribute == 8 ? f->dynamicShared : 0;
  return SUCCESS;
}

EXPORT Result cuFuncSetAttribute(void* function, int attribute, int value) {
  auto* f = static_cast<Function*>(function);
  if (attribute == 8) {
    if (value < 0 || value > MOST_SHARED) {
      return error(INVALID_VALUE, "shared memory of " + std::to_string(value) + " bytes");
    }
    f->dynamicShared = value;
  }
  return SUCCESS;
}

EXPORT Result cuFuncGetParamInfo(void* function, size_t index, size_t* offset, size_t* bytes) {
  if (index > 0) {
    return INVALID_VALUE;
  }
  if (offset != nullptr) {
    *offset = 0;
  }
  if (bytes != nullptr) {
    *bytes = static_cast<Function*>(function)->kernel->parameterBytes;
  }
  return SUCCESS;
}

EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, void*, int, size_t) {
  *out = 1;
  return SUCCESS;
}

EXPORT Result cuOccupancyMaxActiveClusters(int* out, void*, const void*) {
  *out = 0;
  return SUCCESS;
}

EXPORT Result cuMemGetInfo_v2(size_t* free, size_t* total) {
  std::lock_guard guard(lock);
  *free = TOTAL_MEMORY - used;
  *total = TOTAL_MEMORY;
  return SUCCESS;
}

EXPORT Result cuMemAlloc_v2(Pointer* out, size_t bytes) {
  std::lock_guard guard(lock);
  return allocate(out, bytes);
}

EXPORT Result cuMemFree_v2(Pointer address) {
  std::lock_guard guard(lock);
  return release(address);
}

EXPORT Result cuMemAllocAsync(Pointer* out, size_t bytes, void*) {
  std::lock_guard guard(lock);
  return allocate(out, bytes);
}

EXPORT Result cuMemFreeAsync(Pointer address, void*) {
  std::lock_guard guard(lock);
  return release(address);
}

EXPORT Result cuMemHostAlloc(void** out, size_t bytes, unsigned) {
  std::lock_guard guard(lock);
  *out = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  pinned[*out] = bytes;
  return *out == nullptr ? error(OUT_OF_MEMORY, "the host has no memory left") : SUCCESS;
}

EXPORT Result cuMemFreeHost(void* p) {
  std::lock_guard guard(lock);
  if (pinned.erase(p) == 0) {
    return error(INVALID_VALUE, "free of host memory that is not allocated, or was freed before");
  }
  std::free(p);
  return SUCCESS;
}

EXPORT Result cuMemcpyHtoDAsync_v2(Pointer to, const void* from, size_t bytes, void* stream) {
  std::lock_guard guard(lock);
  return copy(reinterpret_cast<void*>(to), from, bytes, to, stream);
}

EXPORT Result cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t bytes, void* stream) {
  std::lock_guard guard(lock);
  return copy(to, reinterpret_cast<const void*>(from), bytes, from, stream);
}

EXPORT Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void* stream) {
  std::lock_guard guard(lock);
  if (!contains(from, bytes)) {
    return error(INVALID_VALUE, "a copy of " + std::to_string(bytes) + " bytes leaves its source");
  }
  return copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes, to, stream);
}

EXPORT Result cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes, void* stream) {
  std::lock_guard guard(lock);
  if (!contains(to, bytes)) {
    return error(INVALID_VALUE, "a fill of " + std::to_string(bytes) + " bytes leaves its allocation");
  }
  return queue(stream, [=] {
    std::memset(reinterpret_cast<void*>(to), value, bytes);
    return SUCCESS;
  });
}

EXPORT Result cuStreamCreate(void** out, unsigned) {
  *out = new Stream;
  return SUCCESS;
}

EXPORT Result cuStreamDestroy_v2(void* stream) {
  delete static_cast<Stream*>(stream);
  return SUCCESS;
}

EXPORT Result cuStreamQuery(void*) { return SUCCESS; }

EXPORT Result cuStreamSynchronize(void* stream) {
  auto* s = static_cast<Stream*>(stream);
  return s != nullptr && s->capturing
      ? error(STREAM_CAPTURE_UNSUPPORTED, "a wait for a stream that is being captured") : SUCCESS;
}

EXPORT Result cuStreamWaitEvent(void*, void*, unsigned) { return SUCCESS; }

EXPORT Result cuStreamBeginCapture_v2(void* stream, int) {
  static_cast<Stream*>(stream)->capturing = true;
  return SUCCESS;
}

EXPORT Result cuStreamEndCapture(void* stream, void** out) {
  auto* s = static_cast<Stream*>(stream);
  *out = new Graph{std::move(s->captured)};
  s->captured.clear();
  s->capturing = false;
  return SUCCESS;
}

EXPORT Result cuGraphGetNodes(void* graph, void**, size_t* count) {
  *count = static_cast<Graph*>(graph)->nodes.size();
  return SUCCESS;
}

EXPORT Result cuGraphInstantiateWithFlags(void** out, void* graph, unsigned long long) {
  *out = new Graph(*static_cast<Graph*>(graph));
  return SUCCESS;
}

EXPORT Result cuGraphLaunch(void* graph, void*) {
  std::lock_guard guard(lock);
  for (auto& node : static_cast<Graph*>(graph)->nodes) {
    Result result = node();
    if (result != SUCCESS) {
      return result;
    }
  }
  return SUCCESS;
}

EXPORT Result cuGraphExecDestroy(void* graph) {
  delete static_cast<Graph*>(graph);
  return SUCCESS;
}

EXPORT Result cuGraphDestroy(void* graph) {
  delete static_cast<Graph*>(graph);
  return SUCCESS;
}

EXPORT Result cuEventCreate(void** out, unsigned) {
  *out = new int(0);
  return SUCCESS;
}

EXPORT Result cuEventDestroy_v2(void* event) {
  delete static_cast<int*>(event);
  return SUCCESS;
}

EXPORT Result cuEventRecord(void*, void*) { return SUCCESS; }
EXPORT Result cuEventQuery(void*) { return SUCCESS; }
EXPORT Result cuEventSynchronize(void*) { return SUCCESS; }

EXPORT Result cuEventElapsedTime(float* out, void*, void*) {
  *out = 0;
  return error(INVALID_VALUE, "times of the CPU stand-in say nothing about a GPU");
}

EXPORT Result cuLaunchKernelEx(
    const LaunchConfig* config, void* function, void** parameters, void**) {
  std::lock_guard guard(lock);
  auto* f = static_cast<Function*>(function);
  const execution::Index& g = config->grid;
  const execution::Index& b = config->block;
  size_t threads = static_cast<size_t>(b.x) * b.y * b.z;
  if (g.x == 0 || g.y == 0 || g.z == 0 || g.y > 65535 || g.z > 65535 || g.x > 0x7fffffff) {
    return error(INVALID_VALUE, std::string(f->kernel->name) + ": no such grid");
  }
  if (threads == 0 || threads > static_cast<size_t>(f->kernel->maxThreads)) {
    return error(INVALID_VALUE,
        std::string(f->kernel->name) + ": " + std::to_string(threads) + " threads beside launch bounds of "
            + std::to_string(f->kernel->maxThreads));
  }
  if (config->sharedBytes > static_cast<unsigned>(f->dynamicShared)) {
    return error(INVALID_VALUE,
        std::string(f->kernel->name) + ": " + std::to_string(config->sharedBytes)
            + " bytes of shared memory without asking for more than " + std::to_string(f->dynamicShared));
  }
  bool programmatic = isProgrammatic(*config);
  if (programmatic && capability < 90) {
    return error(INVALID_VALUE,
        std::string(f->kernel->name) + ": a programmatic launch before compute capability 9.0");
  }
  programmaticLaunches += programmatic;
  // The attributes are the caller's: they are read before the launch is queued.
  unsigned cluster = clusterSize(*config);
  if (cluster == 0 || (cluster > 1 && capability < 90)) {
    return error(INVALID_VALUE, std::string(f->kernel->name) + ": no such cluster");
  }
  int& largest = largestShared.try_emplace(f->kernel->name, 0).first->second;
  largest = std::max(largest, static_cast<int>(config->sharedBytes));
  const auto* bytes = static_cast<const unsigned char*>(parameters[0]);
  size_t count = f->kernel->parameterBytes;
  std::vector<unsigned char> copied(bytes, bytes + count);
  LaunchConfig now = *config;
  return queue(config->stream, [f, now, copied, cluster, programmatic] {
    // Aligned as a kernel's parameters are.
    std::unique_ptr<void, void (*)(void*)> at(
        std::aligned_alloc(64, (copied.size() + 63) / 64 * 64), std::free);
    std::memcpy(at.get(), copied.data(), copied.size());
    return run(*f, now, cluster, at.get(), programmatic);
  });
}

bool driver::contains(const void* address, size_t bytes) {
  std::lock_guard guard(lock);
  return ::contains(reinterpret_cast<Pointer>(address), bytes);
}

void driver::queue(void* stream, std::function<void()> work) {
  std::lock_guard guard(lock);
  ::queue(stream, [work = std::move(work)] {
    work();
    return SUCCESS;
  });
}
