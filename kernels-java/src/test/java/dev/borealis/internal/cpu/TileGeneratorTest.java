package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The committed tile kernels are what the generator writes. */
class TileGeneratorTest {
  @Test
  void committedSourcesAreReproducible() throws IOException {
    Path root = Path.of("src", "generated", "java");
    for (var source : TileGenerator.sources().entrySet()) {
      assertEquals(
          source.getValue(),
          TileGenerator.committed(root, source.getKey()),
          source.getKey() + ": run TileGenerator.main with the source root as its argument");
    }
  }
}
