package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SpeciesTest {

  @Test
  @Tag("widths")
  void usesTheWidthThatThePropertyAsksFor() {
    int expected =
        Species.bits(
            System.getProperty(Species.PROPERTY), FloatVector.SPECIES_PREFERRED.vectorBitSize());
    assertEquals(expected, Species.F32.vectorBitSize());
    assertEquals(expected, Species.I32.vectorBitSize());
    assertEquals(expected / Float.SIZE, Species.LANES);
  }

  @Test
  void withoutThePropertyTheMachineDecidesUpTo512() {
    assertEquals(128, Species.bits(null, 128));
    assertEquals(512, Species.bits(null, 512));
    assertEquals(512, Species.bits(null, 2048));
  }

  @Test
  void aNarrowerWidthThanTheMachinesIsLegal() {
    assertEquals(128, Species.bits("128", 512));
    assertEquals(256, Species.bits("256", 512));
    assertEquals(512, Species.bits("512", 1024));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "64", "1024", "wide", " 256"})
  void refusesAnIllegalValue(String value) {
    var thrown = assertThrows(IllegalStateException.class, () -> Species.bits(value, 512));
    assertEquals(
        "borealis.vectorBits: expected 128, 256 or 512, got \"" + value + "\"",
        thrown.getMessage());
  }

  @Test
  void refusesMoreThanTheMachineHas() {
    var thrown = assertThrows(IllegalStateException.class, () -> Species.bits("512", 256));
    assertTrue(thrown.toString().contains("at most 256"), thrown::toString);
    assertTrue(thrown.toString().contains("got 512"), thrown::toString);
  }
}
