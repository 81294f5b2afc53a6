package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The JVMs of the tests are what their tags promise; otherwise the other tests prove little. */
class TestJvmTest {
  private static final Module KERNELS = TestJvmTest.class.getModule();

  private static boolean readsVectorModule() {
    return ModuleLayer.boot()
        .findModule("jdk.incubator.vector")
        .filter(KERNELS::canRead)
        .isPresent();
  }

  @Test
  void testsRunInsideTheModule() {
    assertEquals("dev.borealis.kernels", KERNELS.getName());
    assertFalse(KERNELS.isExported("dev.borealis.internal.cpu"));
  }

  @Test
  void vectorModuleIsReadable() {
    assertTrue(readsVectorModule());
  }

  @Test
  @Tag("novector")
  void vectorModuleIsNotReadableWithoutItsFlag() {
    assertFalse(readsVectorModule());
  }

  @Test
  @Tag("widths")
  void vectorModuleIsReadableAtEveryWidth() {
    assertTrue(readsVectorModule());
    assertTrue(Integer.getInteger("borealis.vectorBits", 512) <= 512);
  }
}
