package dev.borealis.jmh.peer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The bindings pass what the functions expect. Needs {@code -Pbench}; skipped without. */
class BlasTest {
  private static final int M = 3;
  private static final int N = 5;
  private static final int K = 7;

  @FunctionalInterface
  private interface Loader {
    Blas load() throws PeerUnavailableException;
  }

  @Test
  void productsAreThoseOfPlainLoops() {
    for (Blas blas : libraries()) {
      for (boolean transA : new boolean[] {false, true}) {
        for (boolean transB : new boolean[] {false, true}) {
          product(blas, transA, transB);
        }
      }
    }
  }

  private static void product(Blas blas, boolean transA, boolean transB) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment a = random(arena, M * K);
      MemorySegment b = random(arena, K * N);
      MemorySegment c = random(arena, M * N);
      float[] expected = new float[M * N];
      for (int i = 0; i < M; i++) {
        for (int j = 0; j < N; j++) {
          double sum = 0.5 * at(c, i * N + j);
          for (int k = 0; k < K; k++) {
            sum +=
                2 * at(a, transA ? k * M + i : i * K + k) * at(b, transB ? j * K + k : k * N + j);
          }
          expected[i * N + j] = (float) sum;
        }
      }
      int lda = transA ? M : K;
      int ldb = transB ? K : N;
      blas.sgemm(transA, transB, M, N, K, 2, a, lda, b, ldb, 0.5f, c, N);
      assertArrayEquals(expected, floats(c), 1e-5f, blas.name());
    }
  }

  @Test
  void vectorProductsAreThoseOfPlainLoops() {
    for (Blas blas : libraries()) {
      for (boolean trans : new boolean[] {false, true}) {
        try (Arena arena = Arena.ofShared()) {
          MemorySegment a = random(arena, M * K);
          MemorySegment x = random(arena, trans ? M : K);
          MemorySegment y = random(arena, trans ? K : M);
          float[] expected = floats(y);
          for (int i = 0; i < M; i++) {
            for (int k = 0; k < K; k++) {
              expected[trans ? k : i] += (float) (2 * at(a, i * K + k) * at(x, trans ? i : k));
            }
          }
          blas.sgemv(trans, M, K, 2, a, x, 1, y);
          assertArrayEquals(expected, floats(y), 1e-5f, blas.name());
        }
      }
    }
  }

  @Test
  void vectorFunctionsAreThoseOfMath() {
    try (Arena arena = Arena.ofShared()) {
      Mkl mkl = Mkl.load(1);
      MemorySegment x = random(arena, M * N);
      MemorySegment y = arena.allocate(x.byteSize(), 64);
      float[] tanh = new float[M * N];
      float[] exp = new float[M * N];
      for (int i = 0; i < tanh.length; i++) {
        tanh[i] = (float) Math.tanh(at(x, i));
        exp[i] = (float) Math.exp(at(x, i));
      }
      mkl.tanh(M * N, x, y);
      assertArrayEquals(tanh, floats(y), 1e-6f);
      mkl.exp(M * N, x, y);
      assertArrayEquals(exp, floats(y), 1e-5f);
    } catch (PeerUnavailableException e) {
      System.out.println("Skipped: " + e.getMessage());
    }
  }

  private static List<Blas> libraries() {
    List<Blas> libraries = new ArrayList<>();
    for (Loader loader : List.<Loader>of(() -> Mkl.load(1), () -> OpenBlas.load(1))) {
      try {
        libraries.add(loader.load());
      } catch (PeerUnavailableException e) {
        System.out.println("Skipped: " + e.getMessage());
      }
    }
    return libraries;
  }

  private static MemorySegment random(Arena arena, int count) {
    Random random = new Random(count);
    MemorySegment segment = arena.allocate(4L * count, 64);
    for (int i = 0; i < count; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    return segment;
  }

  private static double at(MemorySegment segment, int index) {
    return segment.getAtIndex(ValueLayout.JAVA_FLOAT, index);
  }

  private static float[] floats(MemorySegment segment) {
    return segment.toArray(ValueLayout.JAVA_FLOAT);
  }
}
