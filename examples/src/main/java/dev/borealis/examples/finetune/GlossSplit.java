package dev.borealis.examples.finetune;

import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.SentenceTokenizer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;

/**
 * WordNet's noun synsets in three disjoint sets. The order is that of the offsets multiplied by
 * 2³²/φ modulo 2³², which looks random and needs no generator.
 *
 * @param train for training
 * @param test for the figures
 * @param validation for choices; the recipe makes none
 */
record GlossSplit(List<Gloss> train, List<Gloss> test, List<Gloss> validation) {
  /** Lexicographer files of nouns. */
  static final int CLASSES = 26;

  static final int TRAIN = 8_000;
  static final int TEST = 4_000;
  static final int VALIDATION = 2_000;

  private static final int FIRST_FILE = 3;
  private static final int MULTIPLIER = 0x9E3779B1;

  /** Splits the synsets, which have different definitions. */
  static GlossSplit of(List<Gloss> nouns) {
    List<Gloss> sorted = nouns.stream().sorted(Comparator.comparingLong(GlossSplit::key)).toList();
    int endOfTest = TRAIN + TEST;
    return new GlossSplit(
        sorted.subList(0, TRAIN),
        sorted.subList(TRAIN, endOfTest),
        sorted.subList(endOfTest, endOfTest + VALIDATION));
  }

  private static long key(Gloss gloss) {
    return Integer.toUnsignedLong(gloss.offset() * MULTIPLIER);
  }

  /** A set's definitions, tokenised, with the lexicographer file as class. */
  static List<Example> examples(List<Gloss> glosses, SentenceTokenizer tokenizer) {
    return glosses.stream()
        .map(gloss ->
            new Example(
                tokenizer.encode(gloss.definition()), gloss.lexicographerFile() - FIRST_FILE))
        .toList();
  }

  /** SHA-256 over the set's offsets and files, in hexadecimal. */
  static String fingerprint(List<Gloss> glosses) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (Gloss gloss : glosses) {
        String line = "%08d %d\n".formatted(gloss.offset(), gloss.lexicographerFile());
        digest.update(line.getBytes(StandardCharsets.US_ASCII));
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
