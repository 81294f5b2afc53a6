package dev.borealis.jmh.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import dev.borealis.jmh.Method;
import dev.borealis.jmh.compare.Bandwidth;
import dev.borealis.jmh.compare.Borealis;
import dev.borealis.jmh.compare.Call;
import dev.borealis.jmh.compare.Case;
import dev.borealis.jmh.compare.ColdStart;
import dev.borealis.jmh.compare.Layer;
import dev.borealis.jmh.compare.Limit;
import dev.borealis.jmh.compare.Lines;
import dev.borealis.jmh.compare.Result;
import dev.borealis.jmh.compare.Run;
import dev.borealis.jmh.compare.Timing;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Known times give the figures they must give. */
class ReportTest {
  private static Run run(double mkl) {
    List<Result> results = new ArrayList<>();
    Layer layer = new Layer(List.of("test.layer"), 4096, 4096);
    for (int threads = 1; threads <= 2; threads++) {
      for (Call call : Call.values()) {
        for (int rank : new int[] {8, 64}) {
          for (int tokens : new int[] {1, 512}) {
            Case c = new Case(layer, Method.LORA, call, rank, tokens, threads);
            results.add(
                new Result(
                    c,
                    List.of(
                        timing(Borealis.NAME, 1000, 1100),
                        timing("MKL", mkl, 1.1 * mkl),
                        timing("DJL PyTorch", 9000, 9900),
                        timing(Result.FLOOR, 800, 900),
                        timing(Result.PEAK, 500, 500)),
                    List.of()));
          }
        }
      }
    }
    return new Run(
        "peers",
        "seconds=1200",
        "processor",
        "jdk",
        "system",
        "commit",
        "date",
        List.of(
            new Limit(Bandwidth.Pattern.FORWARD, Bandwidth.Level.L2, 1 << 19, 100),
            new Limit(Bandwidth.Pattern.FORWARD, Bandwidth.Level.MEMORY, 1 << 27, 20)),
        results,
        List.of(new ColdStart(Borealis.NAME, 1, 2, 3)),
        List.of("OpenBLAS is missing: no reason"));
  }

  private static Timing timing(String name, double... nanos) {
    return new Timing(name, nanos, 0);
  }

  @Test
  void ratiosAndEfficiencyComeFromTheBestRounds() {
    Result result = run(3000).results().getFirst();
    assertEquals(3, result.speedUp("MKL"), 1e-9);
    assertEquals(0.8, result.efficiency(Borealis.NAME), 1e-9);
    assertTrue(Double.isNaN(result.speedUp("OpenBLAS")));
    String lines = Lines.ratios(run(3000).results());
    assertTrue(lines.contains("RATIO forward/lora/4096x4096/r8/n1/t1/MKL 3.0000"), lines);
    assertTrue(lines.contains("RATIO forward/lora/4096x4096/r8/n1/t1/efficiency 0.8000"), lines);
  }

  @Test
  void goalsHoldOrNot() {
    for (Goal goal : Goal.of(run(3000).results())) {
      assertEquals(!goal.what().startsWith("AuroRA"), goal.holds(), goal.what());
    }
    for (Goal goal : Goal.of(run(900).results())) {
      boolean held = goal.what().contains("libtorch") || goal.what().equals("no allocation");
      assertEquals(held, goal.holds(), goal.what());
    }
  }

  @Test
  void everyChartOfThePageIsThere(@TempDir Path docs) throws IOException {
    String page = Files.readString(Report.write(run(900), docs));
    assertTrue(page.contains("| 4096 × 4096 | LoRA | 8 | 1 | 1.0 |"), page);
    assertTrue(page.contains("**0.90** (0.90–0.90)"), page);
    assertTrue(page.contains("OpenBLAS is missing: no reason"), page);
    if (page.contains("Left out:")) {
      System.out.println("Skipped: no charts without fonts");
      return;
    }
    Matcher links = Pattern.compile("\\]\\((charts/[^)]*)\\)").matcher(page);
    int count = 0;
    for (; links.find(); count++) {
      assertTrue(Files.size(docs.resolve(links.group(1))) > 1000, links.group(1));
    }
    assertEquals(12, count);
  }

  @Test
  void aRunSurvivesItsFile() {
    Run run = run(900);
    Gson gson = new Gson();
    assertEquals(gson.toJson(run), gson.toJson(gson.fromJson(gson.toJson(run), Run.class)));
    assertTrue(JmhJson.of(run).contains("\"scoreUnit\": \"ns/op\""));
  }
}
