package dev.borealis.cuda;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * A base layer's W0 as our products take it: in F32, once as it is and once transposed.
 *
 * @param forward W0 [d_out, d_in]
 * @param backward its transpose
 */
record PackedLayer(Packed forward, Packed backward) {
  /** Queues the packing, into memory of the arena's. */
  static PackedLayer of(CudaEngine engine, Tensor w0, CudaQueue queue, Arena arena) {
    long out = w0.rows();
    long in = w0.columns();
    long forwardFloats = Packed.floats(out, in);
    Tensor memory = engine.allocate(arena, DType.F32, forwardFloats + Packed.floats(in, out));
    boolean low = w0.dtype() == DType.F32;
    long address = memory.deviceAddress();
    Packed forward = new Packed(address, Math.toIntExact(out), Math.toIntExact(in), low, 0);
    Packed backward =
        new Packed(
            address + forwardFloats * Float.BYTES,
            Math.toIntExact(in),
            Math.toIntExact(out),
            low,
            0);
    pack(w0, forward, false, queue);
    pack(w0, backward, true, queue);
    return new PackedLayer(forward, backward);
  }

  private static void pack(Tensor w0, Packed to, boolean transposed, CudaQueue queue) {
    queue
        .arguments()
        .pack
        .run(
            DeviceMatrix.of(w0),
            w0.rows(),
            w0.columns(),
            0,
            to.address(),
            to.ld(),
            0,
            0,
            transposed,
            queue.launches());
  }
}
