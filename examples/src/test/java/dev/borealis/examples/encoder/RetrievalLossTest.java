package dev.borealis.examples.encoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class RetrievalLossTest {

  @Test
  void isTheLogarithmOfTheBatchWhenAllEmbeddingsAreEqual() {
    float[][] same = new float[6][4];
    for (float[] row : same) {
      row[1] = 1;
    }
    assertEquals(Math.log(3), RetrievalLoss.of(same).value(), 1e-12);
  }

  @Test
  void isSmallWhenEachWordEqualsItsDefinition() {
    float[][] perfect = new float[6][3];
    for (int i = 0; i < 6; i++) {
      perfect[i][i % 3] = 1;
    }
    double value = RetrievalLoss.of(perfect).value();
    assertTrue(value > 0 && value < 1e-8, "loss " + value);
  }

  @Test
  void gradientIsTheSlope() {
    Random random = new Random(5);
    float[][] embeddings = new float[8][5];
    for (float[] row : embeddings) {
      for (int c = 0; c < row.length; c++) {
        row[c] = (float) (0.3 * random.nextGaussian());
      }
    }
    float[][] gradient = RetrievalLoss.of(embeddings).dEmbeddings();
    float step = 0x1p-10f;
    for (int i = 0; i < embeddings.length; i++) {
      for (int c = 0; c < embeddings[i].length; c++) {
        float old = embeddings[i][c];
        embeddings[i][c] = old + step;
        double above = RetrievalLoss.of(embeddings).value();
        embeddings[i][c] = old - step;
        double below = RetrievalLoss.of(embeddings).value();
        embeddings[i][c] = old;
        assertEquals((above - below) / (2 * step), gradient[i][c], 2e-3, i + ", " + c);
      }
    }
  }
}
