package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.optim.AdamW;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The kernel's steps have the bits of the CPU's. */
class AdamWKernelTest {
  private static final int COUNT = 700;
  private static final int STEPS = 3;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double LEARNING_RATE = 0.01;
  private static final double DECAY = 0.01;

  private static Tensor random(SplittableRandom random, Arena arena) {
    Tensor tensor = Tensor.allocate(arena, DType.F32, COUNT);
    for (int i = 0; i < COUNT; i++) {
      tensor.set(0, i, (float) random.nextDouble(-1, 1));
    }
    return tensor;
  }

  @Test
  void stepsHaveTheBitsOfTheCpu() {
    SplittableRandom random = new SplittableRandom(3);
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, CudaBackend.image());
        DeviceBuffer w = DeviceBuffer.allocate(context, COUNT * 4);
        DeviceBuffer g = DeviceBuffer.allocate(context, COUNT * 4);
        DeviceBuffer m = DeviceBuffer.allocate(context, COUNT * 4);
        DeviceBuffer v = DeviceBuffer.allocate(context, COUNT * 4);
        Arena arena = Arena.ofConfined()) {
      Tensor weights = random(random, arena);
      Tensor gradient = random(random, arena);
      w.copyFrom(weights.segment(), stream);
      g.copyFrom(gradient.segment(), stream);
      m.fill(0, COUNT * 4, (byte) 0, stream);
      v.fill(0, COUNT * 4, (byte) 0, stream);
      AdamW optimiser = AdamW.builder().add("w", weights, gradient, true).build(arena);
      Launches launches = new Launches(module, stream);
      MemorySegment arguments = arena.allocate(Structs.ADAMW);
      set(arguments, "w", w.address());
      set(arguments, "g", g.address());
      set(arguments, "m", m.address());
      set(arguments, "v", v.address());
      set(arguments, "count", COUNT);
      set(arguments, "beta1", BETA1);
      set(arguments, "beta2", BETA2);
      set(arguments, "epsilon", 1e-8);
      set(arguments, "keep", 1 - LEARNING_RATE * DECAY);
      for (int step = 1; step <= STEPS; step++) {
        optimiser.step(LEARNING_RATE);
        set(arguments, "stepSize", LEARNING_RATE / (1 - StrictMath.pow(BETA1, step)));
        set(arguments, "rootCorrection", Math.sqrt(1 - StrictMath.pow(BETA2, step)));
        launches.run(Kernel.ADAMW, Splits.ceil(COUNT, Kernel.THREADS), 1, 1, 0, arguments);
      }
      MemorySegment result = arena.allocate(JAVA_FLOAT, COUNT);
      w.copyTo(result, stream);
      stream.synchronize();
      assertArrayEquals(weights.segment().toArray(JAVA_FLOAT), result.toArray(JAVA_FLOAT), 0);
    }
  }

  private static void set(MemorySegment arguments, String member, long value) {
    arguments.set(JAVA_LONG, Structs.offset(Structs.ADAMW, member), value);
  }

  private static void set(MemorySegment arguments, String member, double value) {
    arguments.set(JAVA_DOUBLE, Structs.offset(Structs.ADAMW, member), value);
  }
}
