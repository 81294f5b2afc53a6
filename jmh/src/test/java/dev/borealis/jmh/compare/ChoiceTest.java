package dev.borealis.jmh.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChoiceTest {
  private static final Path SHAPES = Path.of("shapes");

  @ParameterizedTest
  @EnumSource(Choice.class)
  void casesHaveNamesOfTheirOwn(Choice choice) throws IOException {
    List<Case> cases = choice.cases(Layer.read(SHAPES));
    assertTrue(cases.size() >= 12);
    assertEquals(cases.size(), cases.stream().map(Case::id).distinct().count());
  }

  @Test
  void layersOfOneSizeAreOne() throws IOException {
    List<Layer> layers = Layer.read(SHAPES);
    assertEquals(layers.size(), layers.stream().map(Layer::size).distinct().count());
    Layer base = layers.stream().filter(l -> l.size().equals("768 × 768")).findFirst().get();
    assertEquals(List.of("roberta-base.query", "vit-b.query"), base.names());
  }

  @Test
  void aLineThatIsNoLayerIsNamed(@TempDir Path folder) throws IOException {
    Files.writeString(folder.resolve("model.txt"), "query 768\n");
    String message =
        String.valueOf(assertThrows(IOException.class, () -> Layer.read(folder)).getMessage());
    assertTrue(message.contains("model.txt") && message.contains("query 768"), message);
  }

  @Test
  void flopsAndBytesAreThoseOfTheProjections() {
    Layer layer = new Layer(List.of(), 10, 30);
    Case forward = new Case(layer, dev.borealis.jmh.Method.LORA, Call.FORWARD, 2, 5, 1);
    assertEquals(2.0 * 5 * 2 * (10 + 30), forward.flops());
    assertEquals(4.0 * 5 * (10 + 2 * 30), forward.bytes());
    Case backward = new Case(layer, dev.borealis.jmh.Method.LORA, Call.BACKWARD, 2, 5, 1);
    assertEquals(2 * forward.flops(), backward.flops());
    assertEquals(4.0 * 5 * (10 + 30 + 2 * 10), backward.bytes());
  }
}
