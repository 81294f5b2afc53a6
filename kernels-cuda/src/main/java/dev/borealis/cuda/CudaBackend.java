package dev.borealis.cuda;

import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.BackendUnavailableException;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Cuda;
import dev.borealis.ffm.CudaException;
import dev.borealis.ffm.Device;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The backend for NVIDIA devices of compute capability 8.0 and later: device 0, through the CUDA
 * driver. Calls in a stream take tensors on the device; others copy host tensors there and back.
 *
 * <p>System properties: {@code borealis.cuda.library} names the driver's file, {@code
 * borealis.cuda.image} another file with the kernels than the one in this module, {@code
 * borealis.cuda.fusedTokens} the tokens from which one launch does a whole forward call of r ≤ 16,
 * {@code borealis.cuda.partTokens} those from which cuBLAS does the products of BF16 tensors;
 * {@code borealis.cuda.cublas=false} keeps it from using cuBLAS.
 */
public final class CudaBackend implements BackendProvider {
  private static final String IMAGE = "borealis.fatbin";
  private static final String FUSED_PROPERTY = "borealis.cuda.fusedTokens";
  private static final String PART_PROPERTY = "borealis.cuda.partTokens";
  private static final String CUBLAS_PROPERTY = "borealis.cuda.cublas";
  private static final String IMAGE_PROPERTY = "borealis.cuda.image";

  /** For {@link java.util.ServiceLoader}. */
  public CudaBackend() {}

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public int priority() {
    return 20;
  }

  @Override
  public Engine start() {
    Cuda.unavailable()
        .ifPresent(reason -> {
          throw new BackendUnavailableException("cuda " + reason);
        });
    byte[] image = image();
    Context context = null;
    try {
      context = Context.primary(Device.of(0));
      return new CudaEngine(
          context,
          image,
          new CudaEngine.Settings(
              Integer.getInteger(FUSED_PROPERTY, CudaEngine.FUSED_TOKENS),
              Integer.getInteger(PART_PROPERTY, CudaEngine.PART_TOKENS),
              !System.getProperty(CUBLAS_PROPERTY, "true").equals("false")));
    } catch (CudaException e) {
      if (context != null) {
        context.close();
      }
      throw new BackendUnavailableException("cuda unavailable: " + e.getMessage());
    }
  }

  /** Returns the device code. */
  static byte[] image() {
    String path = System.getProperty(IMAGE_PROPERTY, "");
    try {
      if (!path.isEmpty()) {
        return Files.readAllBytes(Path.of(path));
      }
      try (InputStream in = CudaBackend.class.getResourceAsStream(IMAGE)) {
        if (in == null) {
          throw new BackendUnavailableException(
              "cuda unavailable: this build has no device code, because nvcc was not there when it"
                  + " was built; build it again with nvcc on the PATH, or name a file with"
                  + " -D"
                  + IMAGE_PROPERTY);
        }
        return in.readAllBytes();
      }
    } catch (IOException e) {
      throw new BackendUnavailableException("cuda unavailable: can't read the device code: " + e);
    }
  }
}
