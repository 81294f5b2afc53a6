package dev.borealis.internal.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * The one vector shape every CPU kernel uses.
 *
 * <p>Chosen once, when this class initialises: the system property {@value #PROPERTY} (128, 256 or
 * 512) if it is set, otherwise the machine's preferred shape, at most 512 bits. The fields are
 * static and final because C2 keeps vectors in registers only when the species is a compile-time
 * constant.
 *
 * <p>Initialising this class throws {@link IllegalStateException} (inside an {@link
 * ExceptionInInitializerError}) when the property isn't one of the three widths or asks for more
 * than the machine prefers.
 */
final class Species {

  /** Name of the system property that forces a width. */
  static final String PROPERTY = "borealis.vectorBits";

  private static final int WIDEST_BITS = 512;

  /** Single-precision vectors. */
  static final VectorSpecies<Float> F32 =
      species(bits(System.getProperty(PROPERTY), FloatVector.SPECIES_PREFERRED.vectorBitSize()));

  /** 32-bit integer vectors of the same shape as {@link #F32}. */
  static final VectorSpecies<Integer> I32 = VectorSpecies.of(int.class, F32.vectorShape());

  /** Elements in one {@link #F32} vector. Kernels take counts that are multiples of this. */
  static final int LANES = F32.length();

  private Species() {}

  /** {@return a count of elements rounded up to whole vectors} */
  static long wholeVectors(long count) {
    return (count + LANES - 1) / LANES * LANES;
  }

  /**
   * Width to use.
   *
   * @param requested the property's value, or null when it isn't set
   * @param preferredBits the machine's preferred width, in bits
   * @return 128, 256 or 512
   * @throws IllegalStateException when the request isn't legal here
   */
  static int bits(@Nullable String requested, int preferredBits) {
    int machineBits = Math.min(preferredBits, WIDEST_BITS);
    if (requested == null) {
      return machineBits;
    }
    int bits =
        switch (requested) {
          case "128" -> 128;
          case "256" -> 256;
          case "512" -> 512;
          default ->
              throw new IllegalStateException(
                  PROPERTY + ": expected 128, 256 or 512, got \"" + requested + "\"");
        };
    if (bits > machineBits) {
      throw new IllegalStateException(
          PROPERTY + ": expected at most " + machineBits + " on this machine, got " + bits);
    }
    return bits;
  }

  private static VectorSpecies<Float> species(int bits) {
    return VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
  }
}
