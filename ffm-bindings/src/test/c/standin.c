/*
 * Stands in for libcuda and libcublas in the tests of the bindings. Not a GPU: memory is the host's, work
 * is done at once, and the one kernel it knows, "axpy", adds scale * x[i] to y[i].
 *
 * It counts what is live, fails the call it is told to fail, and notes every misuse: a handle that isn't
 * live or of the wrong kind, no current context, objects left in a context that is given up.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  NO_BINARY_FOR_GPU = 209,
  INVALID_CONTEXT = 201,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  LAUNCH_FAILED = 719,
  CUBLAS_EXECUTION_FAILED = 13
};

/* ---- What the tests ask and order ---- */

static int calls, failing_call, failures_take_effect, no_device, not_ready;
static const char *failed_function;
static char misuse[256];
static int last_attributes[3], last_attribute_count, last_cooperative, last_programmatic;
static unsigned last_cluster[3], last_grid[3], last_block[3], last_shared;
static void *workspace;

static void note(const char *function, const char *what) {
  if (misuse[0] == 0) snprintf(misuse, sizeof misuse, "%s: %s", function, what);
}

typedef enum { CONTEXT, MEMORY, HOST_MEMORY, STREAM, EVENT, MODULE, GRAPH, GRAPH_EXEC, CUBLAS } Kind;

typedef struct Object {
  Kind kind;
  size_t size;
  int nodes;     /* of a graph, or recorded by a stream so far */
  int recording; /* of a stream */
  struct Object *next;
  void *memory;
} Object;

static Object *objects;
static Object *context;
static int retained;
static _Thread_local Object *current;

static Object *create(Kind kind, size_t size) {
  Object *object = calloc(1, sizeof *object);
  object->kind = kind;
  object->size = size;
  object->memory = size ? calloc(1, size) : NULL;
  object->next = objects;
  objects = object;
  return object;
}

static void destroy(Object *object) {
  for (Object **at = &objects; *at; at = &(*at)->next) {
    if (*at == object) {
      *at = object->next;
      free(object->memory);
      free(object);
      return;
    }
  }
}

static Object *live(const char *function, Kind kind, const void *handle) {
  for (Object *object = objects; object; object = object->next) {
    if (object == handle && object->kind == kind) return object;
  }
  note(function, "not a live handle of its kind");
  return NULL;
}

static Object *owner(const char *function, Kind kind, const void *address, size_t bytes) {
  for (Object *object = objects; object; object = object->next) {
    const char *memory = object->memory;
    if (object->kind == kind && (const char *)address >= memory &&
        (const char *)address + bytes <= memory + object->size) {
      return object;
    }
  }
  note(function, "not in live memory");
  return NULL;
}

static int fails(const char *function) {
  if (++calls != failing_call) return 0;
  failed_function = function;
  return 1;
}

static int in_context(const char *function) {
  if (retained > 0 && current == context) return 1;
  note(function, "the context isn't current");
  return 0;
}

void standin_reset(int call, int take_effect) {
  while (objects) destroy(objects);
  context = current = NULL;
  workspace = NULL;
  calls = retained = no_device = not_ready = 0;
  failing_call = call;
  failures_take_effect = take_effect;
  failed_function = "";
  misuse[0] = 0;
}

/* Lets the given call from now on fail, from 1, and keeps everything else as it is. */
void standin_fail_later(int call) {
  failing_call = calls + call;
  failures_take_effect = 1;
}

void standin_set_no_device(int value) { no_device = value; }
void standin_set_not_ready(int value) { not_ready = value; }
int standin_calls(void) { return calls; }
const char *standin_failed(void) { return failed_function; }
const char *standin_misuse(void) { return misuse; }
void *standin_workspace(void) { return workspace; }

int standin_live(void) {
  int count = 0;
  for (Object *object = objects; object; object = object->next) count++;
  return count;
}

/* What the last launch was: grid, block, shared bytes, cluster, cooperative, programmatic, attributes. */
void standin_last_launch(int *out) {
  for (int i = 0; i < 3; i++) {
    out[i] = (int)last_grid[i];
    out[3 + i] = (int)last_block[i];
    out[7 + i] = (int)last_cluster[i];
  }
  out[6] = (int)last_shared;
  out[10] = last_cooperative;
  out[11] = last_programmatic;
  out[12] = last_attribute_count;
}

#define CALL() do { if (fails(__func__)) return LAUNCH_FAILED; } while (0)
#define CALL_IN_CONTEXT() \
  do { CALL(); if (!in_context(__func__)) return INVALID_CONTEXT; } while (0)
#define NEED(object) do { if (!(object)) return INVALID_HANDLE; } while (0)

/* A release that fails either took effect (the error is of earlier work) or didn't. */
static int release(const char *function, Kind kind, void *handle, int error) {
  int failed = fails(function);
  if (!in_context(function)) return INVALID_CONTEXT;
  Object *object = live(function, kind, handle);
  NEED(object);
  if (!failed || failures_take_effect) destroy(object);
  return failed ? error : SUCCESS;
}

/* ---- Driver: initialisation, errors, devices ---- */

int cuInit(unsigned flags) {
  CALL();
  (void)flags;
  return no_device ? NO_DEVICE : SUCCESS;
}

int cuDriverGetVersion(int *version) {
  CALL();
  *version = 13000;
  return SUCCESS;
}

int cuGetErrorName(int error, const char **name) {
  *name = error == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
        : error == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE"
        : error == NO_BINARY_FOR_GPU ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
        : error == NOT_FOUND ? "CUDA_ERROR_NOT_FOUND"
        : NULL;
  return *name ? SUCCESS : INVALID_VALUE;
}

int cuGetErrorString(int error, const char **text) {
  *text = error == LAUNCH_FAILED ? "unspecified launch failure" : NULL;
  return *text ? SUCCESS : INVALID_VALUE;
}

int cuDeviceGetCount(int *count) {
  CALL();
  *count = 1;
  return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
  CALL();
  *device = 0;
  return ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int length, int device) {
  CALL();
  (void)device;
  snprintf(name, (size_t)length, "stand-in, not a GPU");
  return SUCCESS;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  CALL();
  (void)device;
  *bytes = (size_t)5 << 30;
  return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  CALL();
  (void)device;
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 1000 + attribute;
  return SUCCESS;
}

/* ---- Driver: contexts ---- */

int cuDevicePrimaryCtxRetain(void **out, int device) {
  CALL();
  (void)device;
  if (retained++ == 0) context = create(CONTEXT, 0);
  *out = context;
  return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  int failed = fails(__func__);
  (void)device;
  if (retained == 0) {
    note(__func__, "not retained");
    return INVALID_CONTEXT;
  }
  if ((!failed || failures_take_effect) && --retained == 0) {
    destroy(context);
    context = NULL;
  }
  return failed ? LAUNCH_FAILED : SUCCESS;
}

int cuCtxSetCurrent(void *handle) {
  CALL();
  NEED(live(__func__, CONTEXT, handle));
  current = handle;
  return SUCCESS;
}

int cuCtxSynchronize(void) {
  CALL_IN_CONTEXT();
  return SUCCESS;
}

/* ---- Driver: memory ---- */

static int allocate(const char *function, Kind kind, void **out, size_t bytes) {
  if (fails(function)) return LAUNCH_FAILED;
  if (!in_context(function)) return INVALID_CONTEXT;
  if (bytes == 0) return INVALID_VALUE;
  *out = create(kind, bytes)->memory;
  return SUCCESS;
}

static int release_memory(const char *function, Kind kind, void *address) {
  Object *object = owner(function, kind, address, 0);
  if (object && object->memory != address) note(function, "not the beginning of an allocation");
  return release(function, kind, object, LAUNCH_FAILED);
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  CALL_IN_CONTEXT();
  *free_bytes = (size_t)3 << 30;
  *total = (size_t)5 << 30;
  return SUCCESS;
}

int cuMemAlloc_v2(void **out, size_t bytes) { return allocate(__func__, MEMORY, out, bytes); }
int cuMemFree_v2(void *address) { return release_memory(__func__, MEMORY, address); }
int cuMemHostAlloc(void **out, size_t bytes, unsigned flags) {
  (void)flags;
  return allocate(__func__, HOST_MEMORY, out, bytes);
}
int cuMemFreeHost(void *address) { return release_memory(__func__, HOST_MEMORY, address); }

int cuMemAllocAsync(void **out, size_t bytes, void *stream) {
  live(__func__, STREAM, stream);
  return allocate(__func__, MEMORY, out, bytes);
}

int cuMemFreeAsync(void *address, void *stream) {
  live(__func__, STREAM, stream);
  return release_memory(__func__, MEMORY, address);
}

/* Whether work queued in a stream is to be done now, or is recorded. */
static int now(Object *stream) {
  if (stream->recording) stream->nodes++;
  return !stream->recording;
}

#define COPY(name, to, to_kind, from, from_kind)                              \
  int name(void *to, const void *from, size_t bytes, void *handle) {          \
    CALL_IN_CONTEXT();                                                        \
    Object *stream = live(__func__, STREAM, handle);                          \
    NEED(stream);                                                             \
    if (to_kind && !owner(__func__, MEMORY, to, bytes)) return INVALID_VALUE; \
    if (from_kind && !owner(__func__, MEMORY, from, bytes)) return INVALID_VALUE; \
    if (now(stream)) memcpy(to, from, bytes);                                 \
    return SUCCESS;                                                           \
  }
COPY(cuMemcpyHtoDAsync_v2, device, 1, host, 0)
COPY(cuMemcpyDtoHAsync_v2, host, 0, device, 1)
COPY(cuMemcpyDtoDAsync_v2, target, 1, source, 1)

int cuMemsetD8Async(void *device, unsigned char value, size_t bytes, void *handle) {
  CALL_IN_CONTEXT();
  Object *stream = live(__func__, STREAM, handle);
  NEED(stream);
  NEED(owner(__func__, MEMORY, device, bytes));
  if (now(stream)) memset(device, value, bytes);
  return SUCCESS;
}

/* ---- Driver: streams and events ---- */

int cuStreamCreate(void **out, unsigned flags) {
  CALL_IN_CONTEXT();
  (void)flags;
  *out = create(STREAM, 0);
  return SUCCESS;
}

int cuStreamDestroy_v2(void *stream) { return release(__func__, STREAM, stream, LAUNCH_FAILED); }

#define ON_STREAM(stream)                    \
  CALL_IN_CONTEXT();                         \
  NEED(live(__func__, STREAM, stream))
#define ON_EVENT(event)                      \
  NEED(live(__func__, EVENT, event))

int cuStreamSynchronize(void *stream) {
  ON_STREAM(stream);
  return SUCCESS;
}

int cuStreamQuery(void *stream) {
  ON_STREAM(stream);
  return not_ready ? 600 : SUCCESS;
}

int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  ON_STREAM(stream);
  ON_EVENT(event);
  (void)flags;
  return SUCCESS;
}

int cuEventCreate(void **out, unsigned flags) {
  CALL_IN_CONTEXT();
  (void)flags;
  *out = create(EVENT, 0);
  return SUCCESS;
}

int cuEventDestroy_v2(void *event) { return release(__func__, EVENT, event, LAUNCH_FAILED); }

int cuEventRecord(void *event, void *stream) {
  ON_STREAM(stream);
  ON_EVENT(event);
  return SUCCESS;
}

int cuEventQuery(void *event) {
  CALL_IN_CONTEXT();
  ON_EVENT(event);
  return not_ready ? 600 : SUCCESS;
}

int cuEventSynchronize(void *event) {
  CALL_IN_CONTEXT();
  ON_EVENT(event);
  return SUCCESS;
}

int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  CALL_IN_CONTEXT();
  ON_EVENT(start);
  ON_EVENT(end);
  *milliseconds = 1.5f;
  return SUCCESS;
}

/* ---- Driver: modules, functions, launch ---- */

static char axpy;

int cuModuleLoadDataEx(void **out, const char *image, unsigned count, const int *options, void **values) {
  CALL_IN_CONTEXT();
  if (strcmp(image, "axpy") != 0) {
    for (unsigned i = 0; i < count; i++) {
      if (options[i] == 5) snprintf(values[i], (size_t)values[i + 1], "syntax error near line 1");
    }
    return NO_BINARY_FOR_GPU;
  }
  *out = create(MODULE, 0);
  return SUCCESS;
}

int cuModuleUnload(void *module) { return release(__func__, MODULE, module, LAUNCH_FAILED); }

int cuModuleGetFunction(void **out, void *module, const char *name) {
  CALL_IN_CONTEXT();
  NEED(live(__func__, MODULE, module));
  *out = &axpy;
  return strcmp(name, "axpy") == 0 ? SUCCESS : NOT_FOUND;
}

int cuFuncGetAttribute(int *value, int attribute, void *function) {
  CALL_IN_CONTEXT();
  *value = 2000 + attribute;
  return function == &axpy ? SUCCESS : INVALID_HANDLE;
}

int cuFuncSetAttribute(void *function, int attribute, int value) {
  CALL_IN_CONTEXT();
  (void)value;
  return function == &axpy && attribute >= 8 ? SUCCESS : INVALID_VALUE;
}

#ifndef BEFORE_CUDA_12_4
/* axpy(const float *x, float *y, int n, float scale) */
static const size_t parameter_sizes[] = {8, 8, 4, 4};

int cuFuncGetParamInfo(void *function, size_t index, size_t *offset, size_t *size) {
  CALL_IN_CONTEXT();
  if (function != &axpy || index >= 4) return INVALID_VALUE;
  *offset = 0;
  for (size_t i = 0; i < index; i++) *offset += parameter_sizes[i];
  *size = parameter_sizes[index];
  return SUCCESS;
}
#endif

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared) {
  CALL_IN_CONTEXT();
  (void)shared;
  *blocks = 2048 / threads;
  return function == &axpy ? SUCCESS : INVALID_HANDLE;
}

typedef struct {
  int id;
  char pad[4];
  union {
    char bytes[64];
    int flag;
    unsigned extents[3];
  } value;
} Attribute;

typedef struct {
  unsigned grid[3], block[3], shared;
  void *stream;
  Attribute *attributes;
  unsigned attribute_count;
} Config;

int cuOccupancyMaxActiveClusters(int *clusters, void *function, const Config *config) {
  CALL_IN_CONTEXT();
  *clusters = config->attribute_count == 0 ? 0 : 16;
  return function == &axpy ? SUCCESS : INVALID_HANDLE;
}

int cuLaunchKernelEx(const Config *config, void *function, void **parameters, void **extra) {
  CALL_IN_CONTEXT();
  Object *stream = live(__func__, STREAM, config->stream);
  NEED(stream);
  if (function != &axpy || extra) return INVALID_VALUE;
  memcpy(last_grid, config->grid, sizeof last_grid);
  memcpy(last_block, config->block, sizeof last_block);
  memset(last_cluster, 0, sizeof last_cluster);
  last_shared = config->shared;
  last_cooperative = last_programmatic = 0;
  last_attribute_count = (int)config->attribute_count;
  for (unsigned i = 0; i < config->attribute_count; i++) {
    Attribute *attribute = &config->attributes[i];
    last_attributes[i] = attribute->id;
    if (attribute->id == 2) last_cooperative = attribute->value.flag;
    if (attribute->id == 4) memcpy(last_cluster, attribute->value.extents, sizeof last_cluster);
    if (attribute->id == 6) last_programmatic = attribute->value.flag;
  }
  const float *x = *(const float **)parameters[0];
  float *y = *(float **)parameters[1];
  int n = *(int *)parameters[2];
  float scale = *(float *)parameters[3];
  NEED(owner(__func__, MEMORY, x, (size_t)n * sizeof *x));
  NEED(owner(__func__, MEMORY, y, (size_t)n * sizeof *y));
  if (now(stream)) {
    for (int i = 0; i < n; i++) y[i] += scale * x[i];
  }
  return SUCCESS;
}

/* ---- Driver: graphs ---- */

int cuStreamBeginCapture_v2(void *handle, int mode) {
  CALL_IN_CONTEXT();
  Object *stream = live(__func__, STREAM, handle);
  NEED(stream);
  (void)mode;
  if (stream->recording) return INVALID_VALUE;
  stream->recording = 1;
  stream->nodes = 0;
  return SUCCESS;
}

int cuStreamEndCapture(void *handle, void **graph) {
  int failed = fails(__func__);
  if (!in_context(__func__)) return INVALID_CONTEXT;
  Object *stream = live(__func__, STREAM, handle);
  NEED(stream);
  if (!stream->recording) note(__func__, "the stream isn't recording");
  if (failed) {
    if (failures_take_effect) stream->recording = 0;
    return LAUNCH_FAILED;
  }
  Object *recorded = create(GRAPH, 0);
  recorded->nodes = stream->nodes;
  stream->recording = 0;
  *graph = recorded;
  return SUCCESS;
}

int cuGraphGetNodes(void *graph, void **nodes, size_t *count) {
  CALL_IN_CONTEXT();
  Object *object = live(__func__, GRAPH, graph);
  NEED(object);
  if (nodes) return INVALID_VALUE;
  *count = (size_t)object->nodes;
  return SUCCESS;
}

int cuGraphDestroy(void *graph) { return release(__func__, GRAPH, graph, LAUNCH_FAILED); }

int cuGraphInstantiateWithFlags(void **out, void *graph, unsigned long long flags) {
  CALL_IN_CONTEXT();
  NEED(live(__func__, GRAPH, graph));
  (void)flags;
  *out = create(GRAPH_EXEC, 0);
  return SUCCESS;
}

int cuGraphExecDestroy(void *graph) { return release(__func__, GRAPH_EXEC, graph, LAUNCH_FAILED); }

int cuGraphLaunch(void *graph, void *stream) {
  ON_STREAM(stream);
  NEED(live(__func__, GRAPH_EXEC, graph));
  return SUCCESS;
}

/* ---- cuBLAS ---- */

#define CUBLAS_CALL(handle)                               \
  do {                                                    \
    if (fails(__func__)) return CUBLAS_EXECUTION_FAILED;  \
    if (!in_context(__func__)) return 1;                  \
    if (!live(__func__, CUBLAS, handle)) return 1;        \
  } while (0)

int cublasCreate_v2(void **out) {
  if (fails(__func__)) return CUBLAS_EXECUTION_FAILED;
  if (!in_context(__func__)) return 1;
  *out = create(CUBLAS, 0);
  return SUCCESS;
}

int cublasDestroy_v2(void *handle) {
  return release(__func__, CUBLAS, handle, CUBLAS_EXECUTION_FAILED);
}

int cublasGetVersion_v2(void *handle, int *version) {
  CUBLAS_CALL(handle);
  *version = 120603;
  return SUCCESS;
}

int cublasGetProperty(int type, int *value) {
  if (fails(__func__)) return CUBLAS_EXECUTION_FAILED;
  *value = type == 0 ? 12 : type == 1 ? 6 : 3;
  return SUCCESS;
}

int cublasSetStream_v2(void *handle, void *stream) {
  CUBLAS_CALL(handle);
  live(__func__, STREAM, stream);
  workspace = NULL;
  return SUCCESS;
}

int cublasSetWorkspace_v2(void *handle, void *memory, size_t bytes) {
  CUBLAS_CALL(handle);
  owner(__func__, MEMORY, memory, bytes);
  workspace = memory;
  return SUCCESS;
}

int cublasSetMathMode(void *handle, int mode) {
  CUBLAS_CALL(handle);
  (void)mode;
  return SUCCESS;
}

int cublasGemmEx(
    void *handle, int transa, int transb, int m, int n, int k, const float *alpha,
    const float *a, int a_type, int lda, const float *b, int b_type, int ldb,
    const float *beta, float *c, int c_type, int ldc, int compute, int algorithm) {
  CUBLAS_CALL(handle);
  if (a_type || b_type || c_type || compute < 68 || compute > 77 || algorithm != -1) return 15;
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      float sum = 0;
      for (int l = 0; l < k; l++) {
        sum += (transa ? a[l + i * lda] : a[i + l * lda]) * (transb ? b[j + l * ldb] : b[l + j * ldb]);
      }
      float old = *beta == 0 ? 0 : *beta * c[i + j * ldc];
      c[i + j * ldc] = *alpha * sum + old;
    }
  }
  return SUCCESS;
}
