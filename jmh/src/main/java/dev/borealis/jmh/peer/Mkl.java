package dev.borealis.jmh.peer;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;

/**
 * Intel MKL: BLAS and the vector functions. Its threads come from Intel's OpenMP; they are told to
 * sleep a millisecond after a call, not 200, so that they don't spin into what is measured next.
 */
public final class Mkl extends Blas {
  private static final String VERSION = "mkl-2025.3";
  private static final String FOLDER = "org/bytedeco/mkl/linux-x86_64";
  private static final String OPENMP = "libiomp5.so";
  private static final String RUNTIME = "libmkl_rt.so.2";
  private static final List<String> FILES =
      List.of(
          OPENMP,
          RUNTIME,
          "libmkl_core.so.2",
          "libmkl_intel_lp64.so.2",
          "libmkl_intel_thread.so.2",
          "libmkl_def.so.2",
          "libmkl_avx2.so.2",
          "libmkl_avx512.so.2",
          "libmkl_vml_def.so.2",
          "libmkl_vml_avx2.so.2",
          "libmkl_vml_avx512.so.2");

  /** Below 4 ULP, the accuracy that Borealis is held to. */
  private static final long LOW_ACCURACY = 1;

  private final MethodHandle tanh;
  private final MethodHandle exp;

  private Mkl(SymbolLookup lookup) {
    super("MKL", lookup, "MKL_Set_Num_Threads");
    FunctionDescriptor unary = FunctionDescriptor.ofVoid(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG);
    this.tanh = bind(lookup, "vmsTanh", unary);
    this.exp = bind(lookup, "vmsExp", unary);
  }

  /**
   * Loads the library.
   *
   * @param threads of every call until {@link #setThreads}
   * @return the library
   * @throws PeerUnavailableException if it isn't on the class path or doesn't load
   */
  public static Mkl load(int threads) throws PeerUnavailableException {
    Path folder = NativeFiles.unpack(VERSION, FOLDER, FILES);
    try {
      // The runtime looks for OpenMP by name, and finds it if it is loaded already.
      System.load(folder.resolve(OPENMP).toString());
      SymbolLookup openMp = SymbolLookup.libraryLookup(folder.resolve(OPENMP), Arena.global());
      bind(openMp, "kmp_set_blocktime", FunctionDescriptor.ofVoid(JAVA_INT)).invokeExact(1);
      System.load(folder.resolve(RUNTIME).toString());
      Mkl mkl = new Mkl(SymbolLookup.libraryLookup(folder.resolve(RUNTIME), Arena.global()));
      mkl.setThreads(threads);
      return mkl;
    } catch (Throwable e) {
      throw new PeerUnavailableException("MKL: " + e, e);
    }
  }

  /**
   * {@code y = tanh(x)}; x and y may be the same.
   *
   * @param count of elements
   * @param x x
   * @param y y
   */
  public void tanh(int count, MemorySegment x, MemorySegment y) {
    try {
      tanh.invokeExact(count, x, y, LOW_ACCURACY);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /**
   * {@code y = e^x}; x and y may be the same.
   *
   * @param count of elements
   * @param x x
   * @param y y
   */
  public void exp(int count, MemorySegment x, MemorySegment y) {
    try {
      exp.invokeExact(count, x, y, LOW_ACCURACY);
    } catch (Throwable e) {
      throw failed(e);
    }
  }
}
