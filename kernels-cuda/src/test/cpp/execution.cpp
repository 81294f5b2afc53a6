#include "execution.h"

#include <algorithm>
#include <bitset>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "launch.h"
#include "race.h"

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace execution {

Index threadIndex;
Index blockIndex;
Index blockExtent;
Index gridExtent;
float* sharedMemory;

namespace {

constexpr int WARP = 32;
constexpr size_t BANK_BYTES = 128;  // of all banks
constexpr size_t STACK_BYTES = 64 * 1024;
constexpr size_t MOST_ACCESSES = 256;  // of a warp to shared memory between two waits
#ifdef BOREALIS_EXACT
constexpr size_t CANARY_BYTES = 0;  // an address checker watches the end
#else
constexpr size_t CANARY_BYTES = 256;
#endif
constexpr unsigned char CANARY = 0xff;  // NaN, in every type

const Kernel* kernels = nullptr;

// Of the address checker, if there is one: a launch that failed leaves marks on its stacks.
extern "C" __attribute__((weak)) void __asan_unpoison_memory_region(void const volatile*, size_t);

#ifdef __x86_64__
// Saves the callee-saved registers on this stack, and goes on with another.
extern "C" void borealis_switch_stack(void** from, void* to);
asm(R"(
  .text
  .globl borealis_switch_stack
  .hidden borealis_switch_stack
  .type borealis_switch_stack, @function
borealis_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size borealis_switch_stack, . - borealis_switch_stack
)");

struct Context {
  void* stack = nullptr;

  void prepare(char* base, void (*entry)()) {
    // At the entry of a function the stack pointer is 8 beside a multiple of 16.
    auto top = (reinterpret_cast<uintptr_t>(base) + STACK_BYTES - 64) & ~uintptr_t{15};
    auto* slots = reinterpret_cast<void**>(top);
    slots[0] = reinterpret_cast<void*>(entry);
    stack = slots - 6;
  }

  static void change(Context& from, Context& to) { borealis_switch_stack(&from.stack, to.stack); }
};
#else
struct Context {
  ucontext_t state;

  void prepare(char* base, void (*entry)()) {
    getcontext(&state);
    state.uc_stack.ss_sp = base;
    state.uc_stack.ss_size = STACK_BYTES;
    state.uc_link = nullptr;
    makecontext(&state, entry, 0);
  }

  static void change(Context& from, Context& to) { swapcontext(&from.state, &to.state); }
};
#endif

struct Block;

// Copies that a thread has begun and not yet waited for, and how many of them each committed group has.
// Without memory of its own: the race detector would take that for the kernel's.
struct Copies {
  static constexpr unsigned MOST = 128;
  Copy begun[MOST];
  unsigned group[MOST];
  unsigned first = 0;  // of all so far; places in the arrays go round
  unsigned end = 0;
  unsigned firstGroup = 0;
  unsigned endGroup = 0;
  unsigned uncommitted = 0;
};

struct Fiber {
  Context context;
  char* stack = nullptr;
  Block* block = nullptr;
  int number = 0;  // in its block
  Index index;
  bool done = false;
  bool waited = false;  // for the launch before, if this one is programmatic
  unsigned step = 0;    // barriers, shuffles and products so far
  size_t accesses = 0;  // of shared memory in this step
  Copies copies;
  race::Thread thread = nullptr;
};

enum Operation { BARRIER, SHUFFLE, MMA };

struct Lane {
  Operation operation;
  float c[4];
  uint32_t a[4];
  uint32_t b[2];
};

// An access to shared memory that a warp's lanes make together: where each of them does.
struct Access {
  Site site;
  std::bitset<WARP> made;
  size_t offset[WARP];
};

// Two sets of lanes, by the parity of the operation: a lane that is ahead writes into the other. So
// with accesses, by the parity of the step.
struct Warp {
  Lane lanes[2][WARP];
  std::vector<Access> accesses[2];
  unsigned step[2];
  Site site;
  int arrived;
  unsigned generation;
  race::Object order[2];  // by parity too: with one, a thread that is ahead would hide a race
};

using SharedMemory = std::unique_ptr<unsigned char, void (*)(void*)>;

// Where all threads of a block, or of a cluster, wait for each other.
struct Barrier {
  Site site = {};
  int arrived = 0;
  int first = 0;
  unsigned generation = 0;
  race::Object order[2];  // by parity
};

// A block that runs, or has run.
struct Block {
  Index index = {};
  SharedMemory shared = {nullptr, std::free};
  std::vector<Warp> warps;
  int live = 0;
  Barrier barrier;
};

// Blocks that run at the same time, and read each other's shared memory: one, without clusters.
struct Cluster {
  std::vector<Block*> blocks;
  Fiber* fibers = nullptr;
  int live = 0;
  Barrier barrier;
  race::Object start;
};

std::vector<Fiber> fibers;     // of one cluster; of several where races are watched
std::deque<Block> blocks;      // the running ones are the last
std::deque<Cluster> clusters;  // the running one is the last
std::vector<int> ring;         // a cluster's fibers in the order they run
std::vector<int> placeOf;      // a fiber's place in the ring
Context host;
race::Thread hostThread;
race::Object launchOrder;
int current;                // fiber
long idle;                  // steps since any thread got on
const Kernel* running;
const void* arguments;
size_t sharedBytes;
bool programmatic = false;
bool failed;
char message[512];

bool same(Site a, Site b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

const char* shortName(Site site) {
  const char* slash = std::strrchr(site.file, '/');
  return slash != nullptr ? slash + 1 : site.file;
}

Cluster& cluster() { return clusters.back(); }

Fiber& fiber(int number) { return cluster().fibers[number]; }

Block& block() { return *fiber(current).block; }

int numberInBlock() { return fiber(current).number; }

// A barrier, shuffle or product is there: what lanes do between two of them, they do together.
void beginStep() {
  Fiber& own = fiber(current);
  own.step++;
  own.accesses = 0;
}

void goOn(Context& from, int next) {
  current = next;
  threadIndex = fiber(next).index;
  blockIndex = block().index;
  sharedMemory = reinterpret_cast<float*>(block().shared.get());
  race::goOnAs(fiber(next).thread);
  Context::change(from, fiber(next).context);
}

[[noreturn]] void returnToHost() {
  race::goOnAs(hostThread);
  Context::change(fiber(current).context, host);
  std::abort();  // what has returned is never resumed
}

// Goes on with the next fiber that isn't done.
void yield() {
  int from = current;
  int place = placeOf[from];
  int next;
  do {
    place = place + 1 == static_cast<int>(ring.size()) ? 0 : place + 1;
    next = ring[place];
  } while (fiber(next).done && next != from);
  if (next != from) {
    goOn(fiber(from).context, next);
  }
}

// Waits until a generation is over.
void wait(const unsigned& generation, unsigned own, Site site, const char* what) {
  while (generation == own) {
    if (++idle > 4L * cluster().live + 64) {
      fail("%s at %s:%d is waited for by thread %u of block (%u, %u, %u), and not all reach it",
          what, shortName(site), site.line, threadIndex.x, blockIndex.x, blockIndex.y,
          blockIndex.z);
    }
    yield();
  }
}

void main() {
  cluster().start.acquire();
  running->body(arguments);
  if (programmatic && !fiber(current).waited) {
    fail("thread %u of block (%u, %u, %u) ends without having waited for the launch before",
        threadIndex.x, blockIndex.x, blockIndex.y, blockIndex.z);
  }
  if (fiber(current).copies.first != fiber(current).copies.end) {
    fail("thread %u of block (%u, %u, %u) ends without having waited for its copies",
        threadIndex.x, blockIndex.x, blockIndex.y, blockIndex.z);
  }
  launchOrder.release();
  fiber(current).done = true;
  idle = 0;
  block().live--;
  if (--cluster().live == 0) {
    returnToHost();
  }
  yield();
  std::abort();  // a fiber that is done is never resumed
}

float tf32(uint32_t bits) { return __uint_as_float(bits & 0xffffe000u); }

// To a float, toward zero.
float truncate(double value) {
  float nearest = static_cast<float>(value);
  return std::fabs(nearest) > std::fabs(value) ? std::nextafterf(nearest, 0.0f) : nearest;
}

// D = A B + C with the fragments of mma.m16n8k8 as the PTX manual lays them out. Tensor cores round a
// sum toward zero, which adds up over many of them.
void multiply(Lane* lanes) {
  float a[16][8];
  float b[8][8];
  float c[16][8];
  for (int lane = 0; lane < WARP; lane++) {
    int g = lane / 4;
    int t = lane % 4;
    const Lane& l = lanes[lane];
    a[g][t] = tf32(l.a[0]);
    a[g + 8][t] = tf32(l.a[1]);
    a[g][t + 4] = tf32(l.a[2]);
    a[g + 8][t + 4] = tf32(l.a[3]);
    b[t][g] = tf32(l.b[0]);
    b[t + 4][g] = tf32(l.b[1]);
    c[g][2 * t] = l.c[0];
    c[g][2 * t + 1] = l.c[1];
    c[g + 8][2 * t] = l.c[2];
    c[g + 8][2 * t + 1] = l.c[3];
  }
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 8; j++) {
      double sum = c[i][j];
      for (int k = 0; k < 8; k++) {
        sum += static_cast<double>(a[i][k]) * b[k][j];
      }
      c[i][j] = truncate(sum);
    }
  }
  for (int lane = 0; lane < WARP; lane++) {
    int g = lane / 4;
    int t = lane % 4;
    Lane& l = lanes[lane];
    l.c[0] = c[g][2 * t];
    l.c[1] = c[g][2 * t + 1];
    l.c[2] = c[g + 8][2 * t];
    l.c[3] = c[g + 8][2 * t + 1];
  }
}

// Hands in a lane's values; returns all lanes' when every lane has.
Lane* exchange(Site site, const Lane& values) {
  beginStep();
  Warp& warp = block().warps[numberInBlock() / WARP];
  unsigned own = warp.generation;
  Lane* lanes = warp.lanes[own & 1];
  // A shuffle and a product order no memory, on a GPU neither.
  bool orders = values.operation == BARRIER;
  if (orders) {
    warp.order[own & 1].release();
  }
  if (warp.arrived == 0) {
    warp.site = site;
  } else if (!same(warp.site, site)) {
    fail("a warp's threads are at %s:%d and %s:%d at the same time", shortName(warp.site),
        warp.site.line, shortName(site), site.line);
  }
  lanes[numberInBlock() % WARP] = values;
  idle = 0;
  if (++warp.arrived == WARP) {
    if (values.operation == MMA) {
      multiply(lanes);
    }
    warp.arrived = 0;
    warp.generation++;
  } else {
    wait(warp.generation, own, site, "an operation of the whole warp");
  }
  if (orders) {
    warp.order[own & 1].acquire();
  }
  return lanes;
}

// A kernel's memory of floats that are NaN.
SharedMemory allocateShared() {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, sharedBytes + CANARY_BYTES) != 0) {
    std::abort();
  }
  std::memset(memory, CANARY, sharedBytes + CANARY_BYTES);
  return {static_cast<unsigned char*>(memory), std::free};
}

int threadsOfBlock() { return static_cast<int>(blockExtent.x * blockExtent.y * blockExtent.z); }

// Prepares a block whose fibers begin at `own`.
Block* prepareBlock(Index index, Fiber* own) {
  Block& block = blocks.emplace_back();
  int threads = threadsOfBlock();
  block.index = index;
  block.shared = allocateShared();
  block.live = threads;
  block.warps.assign((threads + WARP - 1) / WARP, Warp{});
  for (Warp& warp : block.warps) {
    // Enough for any step, so that no thread of the kernel allocates.
    warp.accesses[0].reserve(MOST_ACCESSES);
    warp.accesses[1].reserve(MOST_ACCESSES);
  }
  for (int i = 0; i < threads; i++) {
    Fiber& fiber = own[i];
    fiber.block = &block;
    fiber.number = i;
    fiber.done = false;
    fiber.waited = false;
    fiber.step = 0;
    fiber.accesses = 0;
    fiber.copies = Copies();
    if (__asan_unpoison_memory_region != nullptr) {
      __asan_unpoison_memory_region(fiber.stack, STACK_BYTES);
    }
    unsigned n = static_cast<unsigned>(i);
    fiber.index = {n % blockExtent.x, n / blockExtent.x % blockExtent.y,
        n / blockExtent.x / blockExtent.y};
    fiber.context.prepare(fiber.stack, main);
  }
  return &block;
}

void requireCanary(const Block& block) {
  for (size_t i = 0; i < CANARY_BYTES; i++) {
    if (block.shared.get()[sharedBytes + i] != CANARY) {
      failed = true;
      std::snprintf(message, sizeof message,
          "%s wrote %zu bytes behind the %zu bytes of shared memory of block (%u, %u, %u)",
          running->name, i, sharedBytes, block.index.x, block.index.y, block.index.z);
      return;
    }
  }
}

// Runs a cluster of `size` blocks along x from `first`, whose fibers begin at `own`. Where races are
// watched the blocks before it are kept: nothing of theirs may be mistaken for this one's.
void runCluster(Index first, unsigned size, Fiber* own) {
  int threads = threadsOfBlock();
  if (!race::watched()) {
    clusters.clear();
    blocks.clear();
  }
  Cluster& cluster = clusters.emplace_back();
  cluster.fibers = own;
  cluster.live = static_cast<int>(size) * threads;
  for (unsigned i = 0; i < size; i++) {
    Index index = {first.x + i, first.y, first.z};
    cluster.blocks.push_back(prepareBlock(index, own + static_cast<int>(i) * threads));
  }
  cluster.start.release();
  idle = 0;
  goOn(host, ring[0]);
  for (Block* block : cluster.blocks) {
    if (!failed) {
      requireCanary(*block);
    }
  }
}

// All threads of a block or cluster call.
void waitAt(Barrier& barrier, int threads, Site site, const char* what) {
  beginStep();
  unsigned own = barrier.generation;
  if (barrier.arrived == 0) {
    barrier.site = site;
    barrier.first = numberInBlock();
  } else if (!same(barrier.site, site)) {
    fail("divergent barrier: thread %d waits at %s:%d, thread %d of block (%u, %u, %u) at %s:%d",
        barrier.first, shortName(barrier.site), barrier.site.line, numberInBlock(), blockIndex.x,
        blockIndex.y, blockIndex.z, shortName(site), site.line);
  }
  idle = 0;
  barrier.order[own & 1].release();
  if (++barrier.arrived == threads) {
    barrier.arrived = 0;
    barrier.generation++;
  } else {
    wait(barrier.generation, own, site, what);
  }
  barrier.order[own & 1].acquire();
}

std::vector<int> sequence(size_t count, Order order, std::mt19937& random) {
  std::vector<int> result(count);
  for (size_t i = 0; i < count; i++) {
    result[i] = static_cast<int>(order == Order::REVERSE ? count - 1 - i : i);
  }
  if (order == Order::RANDOM) {
    for (size_t i = count; i > 1; i--) {
      std::swap(result[i - 1], result[random() % i]);
    }
  }
  return result;
}

}  // namespace

Kernel::Kernel(const char* name, size_t bytes, int threads, void (*body)(const void*))
    : name(name), parameterBytes(bytes), maxThreads(threads), body(body), next(kernels) {
  kernels = this;
}

const Kernel* firstKernel() { return kernels; }

const Kernel* findKernel(const char* name) {
  const Kernel* kernel = kernels;
  while (kernel != nullptr && std::strcmp(kernel->name, name) != 0) {
    kernel = kernel->next;
  }
  return kernel;
}

void fail(const char* format, ...) {
  va_list list;
  va_start(list, format);
  std::vsnprintf(message, sizeof message, format, list);
  va_end(list);
  failed = true;
  returnToHost();  // the block's fibers are left as they are
}

void setProgrammatic(bool next) { programmatic = next; }

void waitForLastLaunch() { fiber(current).waited = true; }

void beginCopy(Copy copy) {
  Copies& own = fiber(current).copies;
  if (own.end - own.first == Copies::MOST) {
    fail("thread %u has %u copies on their way", threadIndex.x, Copies::MOST);
  }
  own.begun[own.end++ % Copies::MOST] = copy;
  own.uncommitted++;
}

void commitCopies() {
  Copies& own = fiber(current).copies;
  if (own.endGroup - own.firstGroup == Copies::MOST) {
    fail("thread %u has %u groups of copies that it does not wait for", threadIndex.x,
        Copies::MOST);
  }
  own.group[own.endGroup++ % Copies::MOST] = own.uncommitted;
  own.uncommitted = 0;
}

bool nextCopy(int later, Copy& copy) {
  Copies& own = fiber(current).copies;
  unsigned kept = static_cast<unsigned>(later);
  while (own.endGroup - own.firstGroup > kept && own.group[own.firstGroup % Copies::MOST] == 0) {
    own.firstGroup++;
  }
  if (own.endGroup - own.firstGroup <= kept) {
    return false;
  }
  own.group[own.firstGroup % Copies::MOST]--;
  copy = own.begun[own.first++ % Copies::MOST];
  return true;
}

void blockBarrier(Site site) { waitAt(block().barrier, threadsOfBlock(), site, "the barrier"); }

void clusterBarrier(Site site) {
  int threads = threadsOfBlock() * static_cast<int>(cluster().blocks.size());
  waitAt(cluster().barrier, threads, site, "the cluster's barrier");
}

const float* ofBlock(const float* own, unsigned rank) {
  if (rank >= cluster().blocks.size()) {
    fail("thread %u of block (%u, %u, %u) reads memory of block %u of a cluster of %zu",
        threadIndex.x, blockIndex.x, blockIndex.y, blockIndex.z, rank, cluster().blocks.size());
  }
  Block& other = *cluster().blocks[rank];
  if (other.live == 0) {
    fail("thread %u of block (%u, %u, %u) reads shared memory of a block that has ended",
        threadIndex.x, blockIndex.x, blockIndex.y, blockIndex.z);
  }
  return reinterpret_cast<const float*>(other.shared.get()) + (own - sharedMemory);
}

void requireBanks(Site site, const void* p, size_t bytes) {
  size_t offset = static_cast<size_t>(
      static_cast<const char*>(p) - reinterpret_cast<const char*>(sharedMemory));
  if (offset >= sharedBytes) {
    return;
  }
  Fiber& own = fiber(current);
  Warp& warp = block().warps[own.number / WARP];
  std::vector<Access>& accesses = warp.accesses[own.step & 1];
  if (warp.step[own.step & 1] != own.step) {
    warp.step[own.step & 1] = own.step;
    accesses.clear();
  }
  // A lane may leave out accesses, as at an edge: its next one is the warp's next at that line.
  size_t number = own.accesses;
  while (number < accesses.size() && !same(accesses[number].site, site)) {
    number++;
  }
  own.accesses = number + 1;
  if (number == accesses.size()) {
    accesses.push_back({site, {}, {}});
  }
  Access& access = accesses[number];
  int lane = own.number % WARP;
  access.made.set(lane);
  access.offset[lane] = offset;
  // All banks together serve 128 bytes: 32 lanes of four bytes, 16 of eight, eight of sixteen.
  int together = static_cast<int>(BANK_BYTES / bytes);
  for (int other = lane / together * together; other < (lane / together + 1) * together; other++) {
    size_t there = access.offset[other];
    if (access.made[other] && there != offset && there % BANK_BYTES == offset % BANK_BYTES) {
      fail("bank conflict at %s:%d: lanes %d and %d of a warp of block (%u, %u, %u) at bytes %zu and"
           " %zu of shared memory", shortName(site), site.line, other, lane, blockIndex.x,
          blockIndex.y, blockIndex.z, there, offset);
    }
  }
}

void warpBarrier(Site site) { exchange(site, Lane{BARRIER, {}, {}, {}}); }

float shuffleXor(Site site, float value, int mask) {
  Lane lane = {SHUFFLE, {value}, {}, {}};
  return exchange(site, lane)[(numberInBlock() % WARP) ^ mask].c[0];
}

void multiplyTile(Site site, float* c, const uint32_t* a, const uint32_t* b) {
  Lane lane = {MMA, {c[0], c[1], c[2], c[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const Lane& result = exchange(site, lane)[numberInBlock() % WARP];
  std::memcpy(c, result.c, sizeof result.c);
}

Order orderNamed(const char* name) {
  std::string text = name == nullptr ? "" : name;
  return text == "reverse" ? Order::REVERSE : text == "random" ? Order::RANDOM : Order::FORWARD;
}

const char* launch(const Kernel& kernel, Index grid, Index block, unsigned clusterSize,
    size_t bytesOfShared, const void* parameters, Order order, uint32_t seed) {
  static uint32_t launches = 0;
  std::mt19937 random(seed + launches++);
  size_t threads = static_cast<size_t>(block.x) * block.y * block.z * clusterSize;
  unsigned along = grid.x / clusterSize;
  size_t count = static_cast<size_t>(along) * grid.y * grid.z;
  // Where races are watched, each cluster has threads of its own, up to a number.
  size_t most = std::max<size_t>(1, race::BLOCKS_APART / clusterSize);
  size_t apart = race::watched() ? std::min(count, most) : 1;
  size_t wanted = apart * threads;
  while (fibers.size() < wanted) {
    void* stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
        -1, 0);
    if (stack == MAP_FAILED) {
      return "no memory for the threads' stacks";
    }
    fibers.emplace_back();
    fibers.back().stack = static_cast<char*>(stack);
    fibers.back().thread = race::create();
  }
  hostThread = race::self();
  blockExtent = block;
  gridExtent = grid;
  running = &kernel;
  arguments = parameters;
  sharedBytes = bytesOfShared;
  failed = false;
  size_t started = 0;
  for (int number : sequence(count, order, random)) {
    unsigned n = static_cast<unsigned>(number);
    Index first = {n % along * clusterSize, n / along % grid.y, n / along / grid.y};
    ring = sequence(threads, order, random);
    placeOf.resize(threads);
    for (size_t i = 0; i < threads; i++) {
      placeOf[ring[i]] = static_cast<int>(i);
    }
    runCluster(first, clusterSize, &fibers[started++ % apart * threads]);
    if (failed) {
      break;
    }
  }
  // What follows in the stream comes after all of it.
  launchOrder.acquire();
  clusters.clear();
  blocks.clear();
  return failed ? message : nullptr;
}

}  // namespace execution
