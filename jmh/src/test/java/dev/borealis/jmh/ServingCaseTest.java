package dev.borealis.jmh;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the serving benchmark times is the real thing: after a call Y is the oracles'. */
class ServingCaseTest {
  private static final int RANK = 4;
  private static final int ROWS = 5;
  private static final int FEATURES = 64;

  @ParameterizedTest
  @EnumSource(Method.class)
  void benchmarkedCallsComputeWhatTheOracleComputes(Method method) {
    try (var measured = new ServingCase(Backend.require("panama"), method, RANK, ROWS, FEATURES)) {
      assertAdds(measured, measured::each, row -> row);
      assertAdds(measured, measured::one, row -> 0);
      assertAdds(measured, measured::plain, row -> 0);
      double[] before = values(measured.y);
      measured.none();
      assertArrayEquals(before, values(measured.y));
    }
  }

  private static void assertAdds(ServingCase measured, Runnable call, IntUnaryOperator adapterOf) {
    double[] expected = values(measured.y);
    double[] x = values(measured.x);
    for (int row = 0; row < ROWS; row++) {
      AdapterWeights weights = measured.weights.get(adapterOf.applyAsInt(row));
      double[] own = Arrays.copyOfRange(x, row * FEATURES, (row + 1) * FEATURES);
      double[] added =
          new AdapterOracle(weights).forward(own, 1, CallOptions.of(weights.spec()), false).y();
      for (int i = 0; i < FEATURES; i++) {
        expected[row * FEATURES + i] += added[i];
      }
    }
    double[] before = values(measured.y);
    call.run();
    assertFalse(Arrays.equals(before, values(measured.y)));
    assertArrayEquals(expected, values(measured.y), 1e-5);
  }

  @ParameterizedTest
  @EnumSource(Method.class)
  void floorReadsEveryElement(Method method) {
    try (var measured = new ServingCase(Backend.require("panama"), method, RANK, ROWS, FEATURES)) {
      long sum = 0;
      for (AdapterWeights weights : measured.weights) {
        sum += sum(weights.get(Parameter.A));
        sum += sum(weights.get(Parameter.B));
      }
      assertEquals(sum, measured.floor());
    }
  }

  private static long sum(Tensor tensor) {
    return Arrays.stream(tensor.segment().toArray(ValueLayout.JAVA_LONG)).sum();
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) (tensor.rows() * tensor.columns())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / tensor.columns(), i % tensor.columns());
    }
    return values;
  }
}
