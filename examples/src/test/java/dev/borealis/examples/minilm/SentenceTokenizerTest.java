package dev.borealis.examples.minilm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class SentenceTokenizerTest {

  @Test
  void cutsIntoWordPiecesWithoutPadding() {
    try (var tokenizer = SentenceTokenizer.open(128)) {
      // [CLS] hello world [SEP], as in BERT's uncased vocabulary
      assertArrayEquals(new int[] {101, 7592, 2088, 102}, tokenizer.encode("Hello world"));
    }
  }

  @Test
  void cutsLongSentences() {
    try (var tokenizer = SentenceTokenizer.open(8)) {
      int[] ids = tokenizer.encode("one two three four five six seven eight nine ten");
      assertEquals(8, ids.length);
      assertEquals(102, ids[7]);
    }
  }

  @Test
  void joinsSentences() {
    try (var tokenizer = SentenceTokenizer.open(128)) {
      TokenBatch batch = tokenizer.encode(List.of("Hello world", "", "Hello"));
      assertEquals(3, batch.sentences());
      assertEquals(4 + 2 + 3, batch.tokens());
      assertEquals(6, batch.start(2));
      assertEquals(3, batch.length(2));
      assertEquals(4, batch.longest());
      assertEquals(7592, batch.id(7));
    }
  }

  @Test
  void aBatchNeedsSentencesAndSentencesNeedTokens() {
    assertThrows(IllegalArgumentException.class, () -> TokenBatch.of(List.of()));
    assertThrows(IllegalArgumentException.class, () -> TokenBatch.of(List.of(new int[0])));
  }
}
