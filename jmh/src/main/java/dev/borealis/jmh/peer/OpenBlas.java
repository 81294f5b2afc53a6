package dev.borealis.jmh.peer;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.List;

/** OpenBLAS with its own threads. */
public final class OpenBlas {
  private static final String VERSION = "openblas-0.3.31";
  private static final String FOLDER = "org/bytedeco/openblas/linux-x86_64";

  /** Each is found by its name when the next is loaded. */
  private static final List<String> FILES =
      List.of("libgcc_s.so.1", "libquadmath.so.0", "libgfortran.so.5", "libopenblas.so.0");

  private OpenBlas() {}

  /**
   * Loads the library.
   *
   * @param threads of every call until {@link Blas#setThreads}
   * @return the library
   * @throws PeerUnavailableException if it isn't on the class path or doesn't load
   */
  public static Blas load(int threads) throws PeerUnavailableException {
    Path folder = NativeFiles.unpack(VERSION, FOLDER, FILES);
    try {
      for (String file : FILES) {
        System.load(folder.resolve(file).toString());
      }
      Path library = folder.resolve(FILES.getLast());
      Blas blas =
          new Blas(
              "OpenBLAS",
              SymbolLookup.libraryLookup(library, Arena.global()),
              "openblas_set_num_threads");
      blas.setThreads(threads);
      return blas;
    } catch (RuntimeException | UnsatisfiedLinkError e) {
      throw new PeerUnavailableException("OpenBLAS: " + e, e);
    }
  }
}
