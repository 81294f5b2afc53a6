package dev.borealis.examples.finetune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.GlossReader;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The split is the published one, so that figures can be compared. */
class GlossSplitTest {
  private static final GlossSplit SPLIT = GlossSplit.of(GlossReader.nouns());

  @Test
  void hasThePublishedFingerprints() {
    assertEquals(GlossSplit.TRAIN, SPLIT.train().size());
    assertEquals(GlossSplit.TEST, SPLIT.test().size());
    assertEquals(GlossSplit.VALIDATION, SPLIT.validation().size());
    assertFingerprint("be1fc52ce38387ab", SPLIT.train());
    assertFingerprint("f096bf926e390959", SPLIT.test());
    assertFingerprint("f2a57ba5b350ee96", SPLIT.validation());
  }

  private static void assertFingerprint(String expected, List<Gloss> glosses) {
    String came = GlossSplit.fingerprint(glosses);
    assertTrue(came.startsWith(expected), came);
  }

  @Test
  void keepsNoDefinitionTwice() {
    Set<String> definitions = new HashSet<>();
    for (List<Gloss> set : List.of(SPLIT.train(), SPLIT.test(), SPLIT.validation())) {
      set.forEach(gloss -> assertTrue(definitions.add(gloss.definition()), gloss.definition()));
    }
  }
}
