package dev.borealis.merge;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SavedTensorTest {
  private static SavedTensor saved(Tensor tensor, Tensor delta) {
    Tensor copy = Tensor.allocate(Arena.ofAuto(), tensor.dtype(), tensor.shape());
    return new SavedTensor("w0", tensor, delta, copy, new HostMerge(), DeviceStream.onHost());
  }

  /** The merged bfloat16 is the one nearest to the exact sum, ties to even: no double rounding. */
  @Test
  void roundsTheExactSumOnce() {
    var random = new Random(11);
    int ties = 0;
    for (int i = 0; i < 20_000; i++) {
      float old = DType.bFloat16ToFloat((short) (0x3f80 + random.nextInt(128)));
      // Near half a unit in the last place of old: where two roundings would go wrong.
      float change = 0x1p-8f + random.nextInt(5) * 0x1p-31f - 0x1p-30f;
      if (random.nextBoolean()) {
        float swap = old;
        old = DType.bFloat16ToFloat(DType.floatToBFloat16(0x1p-40f * (random.nextInt(3) - 1)));
        change = swap + 0x1p-8f;
      }
      Tensor tensor = Tensor.allocate(Arena.ofAuto(), DType.BF16, 1, 1);
      tensor.set(0, 0, old);
      Tensor delta = Tensor.of(new float[] {change}, 1, 1);
      saved(tensor, delta).merge();
      BigDecimal exact = new BigDecimal(old).add(new BigDecimal(change));
      assertEquals(nearestBFloat16(exact), tensor.get(0, 0), old + " + " + change);
      ties += new BigDecimal(old + change).compareTo(exact) == 0 ? 0 : 1;
    }
    assertTrue(ties > 1000, "inexact float sums: " + ties);
  }

  /** Among the candidates around, by exact comparison. */
  private static float nearestBFloat16(BigDecimal exact) {
    short near = DType.floatToBFloat16(exact.floatValue());
    float best = Float.NaN;
    for (int step = -1; step <= 1; step++) {
      short bits = (short) (near + step);
      float candidate = DType.bFloat16ToFloat(bits);
      int order =
          Float.isNaN(best) ? -1 : distance(candidate, exact).compareTo(distance(best, exact));
      if (order < 0 || (order == 0 && (bits & 1) == 0)) {
        best = candidate;
      }
    }
    return best;
  }

  private static BigDecimal distance(float value, BigDecimal exact) {
    return new BigDecimal(value).subtract(exact).abs();
  }

  @Test
  void fingerprintSeesEveryChangedBit() {
    for (DType dtype : DType.values()) {
      Tensor tensor = Tensor.allocate(Arena.ofAuto(), dtype, 3, 5);
      Tensor zeros = Tensor.of(new float[15], 3, 5);
      var saved = saved(tensor, zeros);
      saved.merge();
      assertDoesNotThrow(saved::requireRestorable);
      tensor.set(1, 2, -0.0f);
      assertThrows(IllegalStateException.class, saved::requireRestorable, dtype.name());
    }
  }
}
