// A stand-in for cuBLAS on the stand-in for libcuda: plain loops behind the real entry points. Sums
// are in double. Refuses matrices that leave an allocation, and types that cuBLAS does not combine.

#include <cstdint>

#include "driver.h"
#include "execution.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

enum Status { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum Operation { N = 0, T = 1 };
enum Type { F32 = 0, F16 = 2, BF16 = 14 };  // cudaDataType
constexpr int COMPUTE_F32 = 68;

struct Handle {
  void* stream = nullptr;
};

int products = 0;

struct Matrix {
  const void* data;
  int type;
  int64_t ld;
  bool transposed;

  size_t size() const { return type == F32 ? 4 : 2; }

  bool inside(int64_t rows, int64_t columns) const {
    int64_t stored = transposed ? rows : columns;
    int64_t height = transposed ? columns : rows;
    return ld >= height
        && driver::contains(data, static_cast<size_t>((stored - 1) * ld + height) * size());
  }

  int64_t at(int64_t row, int64_t column) const {
    return transposed ? row * ld + column : column * ld + row;
  }

  float get(int64_t row, int64_t column) const {
    int64_t i = at(row, column);
    if (type == F32) {
      return static_cast<const float*>(data)[i];
    }
    uint16_t bits = static_cast<const uint16_t*>(data)[i];
    return type == F16 ? borealis::fromHalf(bits)
                       : __uint_as_float(static_cast<uint32_t>(bits) << 16);
  }

  void set(int64_t row, int64_t column, float value) const {
    int64_t i = at(row, column);
    void* out = const_cast<void*>(data);
    if (type == F32) {
      static_cast<float*>(out)[i] = value;
    } else {
      static_cast<uint16_t*>(out)[i] =
          type == F16 ? borealis::toHalf(value) : borealis::toBFloat16(value);
    }
  }
};

}  // namespace

// Of the stand-in alone: how many products there were.
EXPORT int borealisStandInProducts() { return products; }

EXPORT int cublasCreate_v2(void** out) {
  *out = new Handle;

  return SUCCESS;
}

EXPORT int cublasDestroy_v2(void* handle) {
  delete static_cast<Handle*>(handle);

  return SUCCESS;
}

EXPORT int cublasGetVersion_v2(void*, int* out) {
  *out = 130000;
  return SUCCESS;
}

EXPORT int cublasGetProperty(int type, int* out) {
  *out = type == 0 ? 13 : 0;
  return SUCCESS;
}

EXPORT int cublasSetStream_v2(void* handle, void* stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return SUCCESS;
}

EXPORT int cublasSetWorkspace_v2(void*, void* workspace, size_t bytes) {
  return driver::contains(workspace, bytes) ? SUCCESS : INVALID_VALUE;
}

EXPORT int cublasSetMathMode(void*, int) { return SUCCESS; }

EXPORT int cublasGemmEx(void* handle, int operationA, int operationB, int m, int n, int k,
    const float* alpha, const void* a, int typeA, int lda, const void* b, int typeB, int ldb,
    const float* beta, void* c, int typeC, int ldc, int compute, int) {
  if (compute != COMPUTE_F32 || typeA != typeB || (typeC != typeA && typeC != F32)) {
    return NOT_SUPPORTED;
  }
  if (m == 0 || n == 0) {
    return SUCCESS;
  }
  Matrix left = {a, typeA, lda, operationA == T};
  Matrix right = {b, typeB, ldb, operationB == T};
  Matrix out = {c, typeC, ldc, false};
  if (!left.inside(m, k) || !right.inside(k, n) || !out.inside(m, n)) {
    return INVALID_VALUE;
  }
  float scale = *alpha;  // on the host: taken over now
  float keep = *beta;
  products++;
  driver::queue(static_cast<Handle*>(handle)->stream, [=] {
    for (int column = 0; column < n; column++) {
      for (int row = 0; row < m; row++) {
        double sum = 0;
        for (int i = 0; i < k; i++) {
          sum += static_cast<double>(left.get(row, i)) * right.get(i, column);
        }
        // With beta 0 an old value is not read: it may be NaN.
        double old = keep == 0 ? 0 : static_cast<double>(keep) * out.get(row, column);
        out.set(row, column, static_cast<float>(scale * sum + old));
      }
    }
  });
  return SUCCESS;
}
