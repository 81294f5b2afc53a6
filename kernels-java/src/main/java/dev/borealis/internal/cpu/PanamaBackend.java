package dev.borealis.internal.cpu;

import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.BackendUnavailableException;

/**
 * The backend {@code panama}: kernels on the JDK's Vector API. This class touches none of it, so
 * that it loads where the module is missing.
 */
public final class PanamaBackend implements BackendProvider {
  private static final String MODULE = "jdk.incubator.vector";

  /** Creates the provider; for {@link java.util.ServiceLoader}. */
  public PanamaBackend() {}

  @Override
  public String name() {
    return "panama";
  }

  @Override
  public int priority() {
    return 10;
  }

  @Override
  public Engine start() {
    Module ours = PanamaBackend.class.getModule();
    boolean readable = ModuleLayer.boot().findModule(MODULE).map(ours::canRead).orElse(false);
    if (!readable) {
      throw new BackendUnavailableException(
          "backend panama: the Vector API is not there; run java with --add-modules " + MODULE);
    }
    try {
      return PanamaEngine.start();
    } catch (IllegalStateException e) {
      throw new BackendUnavailableException("backend panama: " + e.getMessage());
    } catch (LinkageError e) {
      // An initialiser that failed, or a Vector API that has changed since we were compiled.
      Throwable cause = e.getCause() == null ? e : e.getCause();
      throw new BackendUnavailableException("backend panama: " + cause.getMessage());
    }
  }
}
