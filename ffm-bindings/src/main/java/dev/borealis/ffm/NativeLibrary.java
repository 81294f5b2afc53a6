package dev.borealis.ffm;

import dev.borealis.ffm.generated.CublasApi;
import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * A shared library, opened on first use for the class that jextract wrote for it.
 *
 * <p>That class finds its symbols through the class loader, and only when a function is first
 * called. So the library has to be loaded by {@link System#load} before, and until then nothing is
 * looked up.
 */
final class NativeLibrary {
  static final NativeLibrary DRIVER =
      new NativeLibrary(
          "borealis.cuda.library",
          List.of("libcuda.so.1"),
          CudaDriver.class,
          // Since 12.4; without it a launch's arguments can't be compared with the kernel's.
          Set.of("cuFuncGetParamInfo"),
          "a driver of CUDA 12.0 or later is needed");

  static final NativeLibrary CUBLAS =
      new NativeLibrary(
          "borealis.cublas.library",
          List.of("libcublas.so.13", "libcublas.so.12"),
          CublasApi.class,
          Set.of(),
          "cuBLAS 12.0 or later is needed");

  private static final int DLADDR_INFO_BYTES = 32; // Dl_info: four pointers, the file's name first

  private final String property;
  private final List<String> sonames;
  private final Class<?> bindings;
  private final Set<String> optional;
  private final String requirement;
  private boolean opened;

  NativeLibrary(
      String property,
      List<String> sonames,
      Class<?> bindings,
      Set<String> optional,
      String requirement) {
    this.property = property;
    this.sonames = sonames;
    this.bindings = bindings;
    this.optional = optional;
    this.requirement = requirement;
  }

  /**
   * Opens the library if it isn't open yet; returns one line saying why it can't be used, if so.
   */
  synchronized Optional<String> unavailable() {
    if (opened) {
      return Optional.empty();
    }
    try {
      open();
      opened = true;
      return Optional.empty();
    } catch (CudaUnavailableException e) {
      return Optional.of("unavailable: " + firstLine(e));
    } catch (IllegalCallerException e) {
      return Optional.of(
          "unavailable: native access is denied; run with --enable-native-access="
              + Objects.requireNonNullElse(
                  NativeLibrary.class.getModule().getName(), "ALL-UNNAMED"));
    }
  }

  void require() {
    unavailable()
        .ifPresent(reason -> {
          throw new CudaUnavailableException(reason);
        });
  }

  /** Whether the open library exports a symbol. */
  static boolean has(String symbol) {
    return SymbolLookup.loaderLookup().find(symbol).isPresent();
  }

  private void open() {
    String path = System.getProperty(property, "");
    String opened;
    if (path.isEmpty()) {
      opened = loadBySoname();
    } else {
      Path file = Path.of(path).toAbsolutePath();
      if (!Files.isRegularFile(file)) {
        throw new CudaUnavailableException(path + " (-D" + property + ") not found");
      }
      opened = path;
      load(file.toString());
    }
    requiredSymbols()
        .filter(symbol -> !has(symbol))
        .findFirst()
        .ifPresent(symbol -> {
          throw new CudaUnavailableException(opened + " has no " + symbol + "; " + requirement);
        });
  }

  private java.util.stream.Stream<String> requiredSymbols() {
    // jextract writes one such method for every function.
    return Arrays.stream(bindings.getDeclaredMethods())
        .map(Method::getName)
        .filter(name -> name.endsWith("$descriptor"))
        .map(name -> name.substring(0, name.length() - "$descriptor".length()))
        .filter(name -> !optional.contains(name))
        .sorted();
  }

  private String loadBySoname() {
    String probe = requiredSymbols().findFirst().orElseThrow();
    for (String soname : sonames) {
      try (Arena arena = Arena.ofConfined()) {
        SymbolLookup lookup;
        try {
          lookup = SymbolLookup.libraryLookup(soname, arena);
        } catch (IllegalArgumentException notFound) {
          continue;
        }
        Optional<MemorySegment> symbol = lookup.find(probe);
        if (symbol.isEmpty()) {
          throw new CudaUnavailableException(soname + " has no " + probe + "; " + requirement);
        }
        // Loaded a second time, by its path, while the first keeps it in memory: one library.
        load(fileOf(symbol.get(), arena));
        return soname;
      }
    }
    throw new CudaUnavailableException(String.join(", ", sonames) + " not found");
  }

  private static void load(String path) {
    try {
      System.load(path);
    } catch (UnsatisfiedLinkError e) {
      throw new CudaUnavailableException(firstLine(e));
    }
  }

  /** The file that a symbol was loaded from, by {@code dladdr}. */
  private static String fileOf(MemorySegment symbol, Arena arena) {
    Linker linker = Linker.nativeLinker();
    AddressLayout string =
        ValueLayout.ADDRESS.withTargetLayout(
            MemoryLayout.sequenceLayout(Long.MAX_VALUE, ValueLayout.JAVA_BYTE));
    MemorySegment info = arena.allocate(DLADDR_INFO_BYTES, string.byteAlignment());
    try {
      var dladdr =
          linker.downcallHandle(
              linker.defaultLookup().findOrThrow("dladdr"),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
      if ((int) dladdr.invokeExact(symbol, info) == 0) {
        throw new CudaUnavailableException(
            "dladdr can't tell where " + symbol + " was loaded from");
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return info.get(string, 0).getString(0);
  }

  private static String firstLine(Throwable e) {
    String message = e.getMessage();
    return message == null ? e.toString() : message.lines().findFirst().orElse("");
  }
}
