package dev.borealis.examples.minilm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class GlossReaderTest {

  @Test
  void readsAllNounsOfWordNet() {
    List<Gloss> glosses = GlossReader.nouns();
    assertEquals(81_569, glosses.size());
    assertEquals(
        new Gloss(
            1_740,
            "entity",
            "that which is perceived or known or inferred to have its own distinct existence"
                + " (living or nonliving)",
            3),
        glosses.getFirst());
    assertEquals(glosses.size(), glosses.stream().map(Gloss::definition).distinct().count());
    assertTrue(
        glosses.stream().allMatch(g -> g.lexicographerFile() >= 3 && g.lexicographerFile() <= 28));
  }

  @Test
  void leavesOutUsageExamples() {
    Gloss gloss =
        GlossReader.parse(
            "00000001 04 n 02 hat_trick 0 feat 0 000 | (sports) three goals; made by one; \"he"
                + " scored; \"twice\"\"  ");
    assertEquals(new Gloss(1, "hat trick", "(sports) three goals; made by one", 4), gloss);
  }

  @Test
  void refusesALineWithoutGloss() {
    assertThrows(
        IllegalArgumentException.class, () -> GlossReader.parse("00000001 04 n 01 act 0 000"));
  }
}
