package dev.borealis.jmh;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the benchmarks time is the real thing: their tensors after a call are the oracle's. */
class AdapterBenchmarkTest {
  private static final int RANK = 3;
  private static final int TOKENS = 5;
  private static final int FEATURES = 40;

  @ParameterizedTest
  @EnumSource(Method.class)
  void benchmarkedCallsComputeWhatTheOracleComputes(Method method) {
    for (Backend backend : backends()) {
      try (var measured = new AdapterCase(backend, method, RANK, TOKENS, FEATURES)) {
        double[] x = values(measured.x);
        double[] y = values(measured.y);
        double[] dX = values(measured.dX);
        measured.forward();
        measured.backward();

        var oracle = new AdapterOracle(measured.weights);
        var options = CallOptions.of(measured.weights.spec());
        var forward = oracle.forward(x, TOKENS, options, false);
        var backward = oracle.backward(x, values(measured.dY), forward);
        String name = backend.name() + " " + method;
        assertNear(sum(y, forward.y()), measured.y, 2e-6, name + " y");
        assertNear(sum(dX, backward.dX()), measured.dX, 1e-5, name + " dX");
        for (Parameter parameter : measured.weights.parameters()) {
          assertNear(
              backward.gradient(parameter),
              measured.gradients.get(parameter),
              1e-5,
              name + " " + parameter);
        }
      }
    }
  }

  private static List<Backend> backends() {
    List<Backend> backends = new ArrayList<>();
    for (String name : List.of("panama", "scalar")) {
      try {
        backends.add(Backend.require(name));
      } catch (BackendUnavailableException e) {
        System.out.println("Skipped: " + e.getMessage());
      }
    }
    return backends;
  }

  @Test
  void floorTouchesEveryElement() {
    int count = 3 * 7;
    int[] x = new int[count];
    int[] dY = new int[count];
    int[] out = new int[count];
    for (int i = 0; i < count; i++) {
      x[i] = 1 << (i % 7);
      dY[i] = 1 << (7 + i % 7);
    }
    TrafficFloor.forward(segment(x), segment(out), 3, 7);
    assertArrayEquals(filled(count, 1 << 7), out);
    TrafficFloor.backward(segment(x), segment(dY), segment(out), 3, 7);
    assertArrayEquals(filled(count, (1 << 7) + (1 << 14)), out);
  }

  private static MemorySegment segment(int[] array) {
    return MemorySegment.ofArray(array);
  }

  private static int[] filled(int count, int value) {
    int[] array = new int[count];
    Arrays.fill(array, value);
    return array;
  }

  private static void assertNear(
      double[] expected, Tensor actual, double tolerance, String message) {
    double largest = 0;
    for (double value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0, message);
    assertArrayEquals(expected, values(actual), tolerance * largest, message);
  }

  private static double[] sum(double[] a, double[] b) {
    double[] sum = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      sum[i] = a[i] + b[i];
    }
    return sum;
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) (tensor.rows() * tensor.columns())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / tensor.columns(), i % tensor.columns());
    }
    return values;
  }
}
