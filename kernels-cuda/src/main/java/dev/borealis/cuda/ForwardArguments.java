package dev.borealis.cuda;

import dev.borealis.adapter.Parameter;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** The struct {@code Forward} in native memory: down-projection, φ, up-projection. */
final class ForwardArguments {
  final MemorySegment memory;

  /** The members on their own. */
  final MemorySegment downAlone;

  final MemorySegment phiAlone;
  final MemorySegment upAlone;

  final ProductArguments down;
  final PhiArguments phi;
  final ProductArguments up;

  ForwardArguments(MemorySegment memory) {
    this.memory = memory;
    downAlone = slice(memory, "down", Structs.PRODUCT);
    phiAlone = slice(memory, "phi", Structs.PHI);
    upAlone = slice(memory, "up", Structs.PRODUCT);
    down = new ProductArguments(downAlone);
    phi = new PhiArguments(phiAlone);
    up = new ProductArguments(upAlone);
  }

  private static MemorySegment slice(MemorySegment memory, String member, StructLayout of) {
    return memory.asSlice(Structs.offset(Structs.FORWARD, member), of.byteSize());
  }

  /**
   * Writes a call without dropout, but for the shares of Z.
   *
   * @param x [n, d_in]
   * @param y [n, d_out]
   * @param n tokens
   * @param downWeights A, or φ(A) in the static form
   * @param weights of the adapter
   * @param scale of the up-projection
   * @param accumulate whether Y is added to
   * @param u where U goes
   */
  void begin(
      DeviceMatrix x,
      DeviceMatrix y,
      long n,
      Packed downWeights,
      DeviceWeights weights,
      float scale,
      boolean accumulate,
      long u) {
    Packed upWeights = weights.up();
    down.begin(n, downWeights.columns(), downWeights.rows()).streamed(x).weights(downWeights);
    phi.begin(weights.callPhi(), n).downBias(weights.address(Parameter.A_BIAS)).u(u);
    up.begin(n, upWeights.columns(), upWeights.rows())
        .weights(upWeights)
        .ranks(u)
        .output(y, accumulate, scale, weights.address(Parameter.B_BIAS));
  }
}
