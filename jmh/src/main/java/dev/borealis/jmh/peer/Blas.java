package dev.borealis.jmh.peer;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * CBLAS in single precision, of whichever library. Matrices are row-major and native; sizes are not
 * checked.
 */
public class Blas {
  private static final int ROW_MAJOR = 101;
  private static final int NO_TRANS = 111;
  private static final int TRANS = 112;

  private final String name;
  private final MethodHandle sgemm;
  private final MethodHandle sgemv;
  private final MethodHandle setThreads;

  /**
   * Binds the functions.
   *
   * @param name of the library
   * @param lookup finds its symbols
   * @param setThreads name of the function that takes the number of threads
   */
  Blas(String name, SymbolLookup lookup, String setThreads) {
    this.name = name;
    this.sgemm =
        bind(
            lookup,
            "cblas_sgemm",
            FunctionDescriptor.ofVoid(
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                JAVA_INT,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_INT));
    this.sgemv =
        bind(
            lookup,
            "cblas_sgemv",
            FunctionDescriptor.ofVoid(
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                JAVA_INT,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_INT));
    this.setThreads = bind(lookup, setThreads, FunctionDescriptor.ofVoid(JAVA_INT));
  }

  /** Binds a function that must be there. */
  static MethodHandle bind(SymbolLookup lookup, String symbol, FunctionDescriptor descriptor) {
    return Linker.nativeLinker().downcallHandle(lookup.findOrThrow(symbol), descriptor);
  }

  /** {@return the name of the library} */
  public final String name() {
    return name;
  }

  /**
   * Sets how many threads a call uses.
   *
   * @param threads at least 1
   */
  public final void setThreads(int threads) {
    try {
      setThreads.invokeExact(threads);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /**
   * {@code C = α·op(A) op(B) + β·C}.
   *
   * @param transA whether op transposes A
   * @param transB whether op transposes B
   * @param m rows of C
   * @param n columns of C
   * @param k inner dimension
   * @param alpha α
   * @param a A
   * @param lda floats between rows of A
   * @param b B
   * @param ldb floats between rows of B
   * @param beta β
   * @param c C
   * @param ldc floats between rows of C
   */
  public final void sgemm(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      float alpha,
      MemorySegment a,
      int lda,
      MemorySegment b,
      int ldb,
      float beta,
      MemorySegment c,
      int ldc) {
    try {
      sgemm.invokeExact(
          ROW_MAJOR, op(transA), op(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /**
   * {@code y = α·op(A) x + β·y}, vectors dense.
   *
   * @param trans whether op transposes A
   * @param rows of A
   * @param columns of A, and floats between its rows
   * @param alpha α
   * @param a A
   * @param x x
   * @param beta β
   * @param y y
   */
  public final void sgemv(
      boolean trans,
      int rows,
      int columns,
      float alpha,
      MemorySegment a,
      MemorySegment x,
      float beta,
      MemorySegment y) {
    try {
      sgemv.invokeExact(ROW_MAJOR, op(trans), rows, columns, alpha, a, columns, x, 1, beta, y, 1);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  private static int op(boolean trans) {
    return trans ? TRANS : NO_TRANS;
  }

  /** Native calls declare Throwable but throw only if an argument is no live segment. */
  static IllegalStateException failed(Throwable cause) {
    return new IllegalStateException("native call", cause);
  }
}
