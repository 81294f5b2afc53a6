package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaException;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What nvcc says of each kernel's parameters and launch bounds is what g++ made of the same
 * sources: the stand-in compares them when it loads a cubin. All other tests on it load one of
 * these too.
 */
class CubinParametersTest {
  @BeforeAll
  static void onTheStandInOnly() throws IOException {
    StandIn.assumeUsed();
    if (Cubin.of(90).isEmpty()) {
      System.out.println(
          "Skipped: parameters of device code, since nvcc was not there to make any");
    }
    assumeTrue(Cubin.of(90).isPresent(), "nvcc was not there");
  }

  private static byte[] image(int architecture) throws IOException {
    Optional<Path> file = Cubin.of(architecture);
    return Files.readAllBytes(file.orElseThrow());
  }

  private static void load(byte[] image) {
    try (Context context = Context.primary(Device.of(0));
        CudaModule module = CudaModule.load(context, image)) {
      for (Kernel kernel : Kernel.values()) {
        for (DType type : DType.values()) {
          module.function(kernel.symbol(type));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {80, 90, 100, 120})
  void everyKernelTakesWhatItTakesOnTheCpu(int architecture) throws IOException {
    load(image(architecture));
  }

  @Test
  void theTestsRunWithACubin() throws IOException {
    assertArrayEquals(image(90), CudaBackend.image());
  }

  /** The number of a parameter's bytes in the section .nv.info.borealis_adamw, one more. */
  @Test
  void anotherSizeIsRefused() throws IOException {
    byte[] image = image(90);
    int size = (int) Structs.ADAMW.byteSize();
    // EIATTR_CBANK_PARAM_SIZE: format 3, attribute 0x19, 16 bits.
    int changed = 0;
    for (int i = 0; i + 4 <= image.length; i++) {
      boolean entry =
          image[i] == 3
              && image[i + 1] == 0x19
              && Byte.toUnsignedInt(image[i + 2]) == size
              && image[i + 3] == 0;
      if (entry) {
        image[i + 2] = (byte) (size + 8);
        changed++;
      }
    }
    assertTrue(changed > 0, "no entry of " + size + " bytes");
    assertRefused(image, "parameters of " + (size + 8) + " bytes in the image");
  }

  @Test
  void anUnknownKernelIsRefused() throws IOException {
    byte[] image = image(90);
    byte[] name = ".nv.info.borealis_adamw".getBytes(StandardCharsets.US_ASCII);
    int changed = 0;
    for (int i = 0; i + name.length <= image.length; i++) {
      int same = 0;
      while (same < name.length && image[i + same] == name[same]) {
        same++;
      }
      if (same == name.length) {
        image[i + same - 1] = 'x';
        changed++;
      }
    }
    assertTrue(changed > 0, "no section of AdamW's");
    assertRefused(image, "borealis_adamx is in the image, and not in the sources");
  }

  private static void assertRefused(byte[] image, String what) {
    CudaException e = assertThrows(CudaException.class, () -> load(image));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("CUDA_ERROR_INVALID_IMAGE") && message.contains(what), message);
  }
}
