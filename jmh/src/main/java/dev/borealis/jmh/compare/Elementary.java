package dev.borealis.jmh.compare;

import dev.borealis.jmh.peer.Mkl;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** tanh and exp in place, as a user of a BLAS library has them. */
interface Elementary {
  /** Of the JDK's Vector API: on x64 Intel's SVML. */
  Elementary VECTOR_API =
      new Elementary() {
        @Override
        public void tanh(MemorySegment x) {
          for (long at = 0; at < x.byteSize(); at += Loops.BYTES) {
            FloatVector.fromMemorySegment(Loops.S, x, at, Loops.O)
                .lanewise(VectorOperators.TANH)
                .intoMemorySegment(x, at, Loops.O);
          }
        }

        @Override
        public void exp(MemorySegment x) {
          for (long at = 0; at < x.byteSize(); at += Loops.BYTES) {
            FloatVector.fromMemorySegment(Loops.S, x, at, Loops.O)
                .lanewise(VectorOperators.EXP)
                .intoMemorySegment(x, at, Loops.O);
          }
        }
      };

  /** {@return those of MKL's vector library} */
  static Elementary of(Mkl mkl) {
    return new Elementary() {
      @Override
      public void tanh(MemorySegment x) {
        mkl.tanh(Math.toIntExact(x.byteSize() / 4), x, x);
      }

      @Override
      public void exp(MemorySegment x) {
        mkl.exp(Math.toIntExact(x.byteSize() / 4), x, x);
      }
    };
  }

  /** {@code x = tanh(x)}; whole vectors. */
  void tanh(MemorySegment x);

  /** {@code x = e^x}; whole vectors. */
  void exp(MemorySegment x);

  /** What loops over vectors need. */
  final class Loops {
    static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
    static final int LANES = S.length();
    static final long BYTES = 4L * LANES;
    static final ByteOrder O = ByteOrder.nativeOrder();

    private Loops() {}
  }
}
