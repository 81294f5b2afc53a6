package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The test JVMs are the ones the build promises: module path, vector module, width. */
class VectorModuleTest {
  private static final Module KERNELS = VectorModuleTest.class.getModule();

  private static boolean vectorModuleIsReadable() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").map(KERNELS::canRead).orElse(false);
  }

  @Test
  void testsRunInsideTheModule() {
    assertEquals("dev.borealis.kernels", KERNELS.getName());
  }

  @Test
  void defaultRunReadsTheVectorModule() {
    assertTrue(vectorModuleIsReadable());
  }

  @Test
  @Tag("novector")
  void runWithoutTheFlagDoesNotReadTheVectorModule() {
    assertFalse(vectorModuleIsReadable());
  }

  @Test
  @Tag("widths")
  void widthIsOneOfThoseAsked() {
    String bits = System.getProperty("borealis.vectorBits", "unset");
    System.out.println("width " + bits);
    assertTrue(bits.matches("unset|128|256|512"), bits);
  }
}
