package dev.borealis.jmh.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class PlanTest {
  private static final Path SHAPES = Path.of("shapes");
  private static final Path DOCS = Path.of("docs");

  @Test
  void optionsChooseCasesTimeAndFolder() throws IOException {
    List<String> options = List.of("seconds=7.5", "cases=^step/.*/t1$", "docs=elsewhere");
    Plan plan = Plan.of(Choice.PEERS, SHAPES, DOCS, options);
    assertEquals(7.5, plan.seconds());
    assertEquals(Path.of("elsewhere"), plan.docs());
    List<Case> cases = plan.cases(Layer.read(SHAPES));
    assertTrue(cases.size() >= 8, cases.toString());
    assertTrue(cases.stream().allMatch(c -> c.call() == Call.STEP && c.threads() == 1));
  }

  @Test
  void withoutOptionsItIsTheWholeChoice() throws IOException {
    Plan plan = Plan.of(Choice.QUICK, SHAPES, DOCS, List.of());
    List<Layer> layers = Layer.read(SHAPES);
    assertEquals(Choice.QUICK.cases(layers), plan.cases(layers));
    assertEquals(Choice.QUICK.seconds(), plan.seconds());
    assertEquals(DOCS, plan.docs());
  }

  @Test
  void anUnknownOptionIsNamed() {
    for (String option : List.of("second=1", "quick")) {
      Exception e =
          assertThrows(
              IllegalArgumentException.class,
              () -> Plan.of(Choice.QUICK, SHAPES, DOCS, List.of(option)));
      assertTrue(String.valueOf(e.getMessage()).contains("came " + option), e.getMessage());
    }
  }
}
