package dev.borealis.jmh.report;

import dev.borealis.jmh.Method;
import dev.borealis.jmh.compare.Bandwidth;
import dev.borealis.jmh.compare.Borealis;
import dev.borealis.jmh.compare.Call;
import dev.borealis.jmh.compare.Case;
import dev.borealis.jmh.compare.ColdStart;
import dev.borealis.jmh.compare.Limit;
import dev.borealis.jmh.compare.Result;
import dev.borealis.jmh.compare.Run;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws the charts of a run as PNG files, 1,000 pixels wide. */
final class Charts {
  private static final int WIDTH = 1000;
  private static final int HEIGHT = 520;

  /** More labels than these don't fit side by side. */
  private static final int MANY_CATEGORIES = 7;

  private static final Color[] COLOURS = {
    new Color(0x1B6CA8),
    new Color(0xD1495B),
    new Color(0xEDAE49),
    new Color(0x66A182),
    new Color(0x8D6A9F),
    new Color(0x5C5C5C)
  };

  /** What most charts are about. */
  private static final List<Call> CALLS = List.of(Call.FORWARD, Call.BACKWARD);

  private final Run run;
  private final Path folder;
  private final Map<String, String> drawn = new LinkedHashMap<>();
  private final List<String> peers;

  private Charts(Run run, Path folder) {
    this.run = run;
    this.folder = folder;
    this.peers = Statistics.peers(run.results());
  }

  /**
   * Draws.
   *
   * @param run the results
   * @param folder of the files
   * @return each file's name and what it shows, in order
   * @throws IOException if a file can't be written
   */
  static Map<String, String> draw(Run run, Path folder) throws IOException {
    Files.createDirectories(folder);
    Charts charts = new Charts(run, folder);
    for (Call call : CALLS) {
      String name = call.title();
      charts.bars(
          "speedup-" + name,
          "Time of a peer over that of Borealis, " + name + ", r ≤ 16, one thread",
          "geometric mean over methods, ranks and layers",
          select(run, c -> c.call() == call && c.rank() <= 16 && c.threads() == 1),
          Comparator.comparing(Case::tokens),
          c -> "n = " + c.tokens());
      charts.bars(
          "layers-" + name,
          "Time of a peer over that of Borealis, " + name + ", LoRA, r = 8, one thread",
          "geometric mean over n = 1 and 512",
          select(
              run,
              c ->
                  c.call() == call
                      && c.rank() == 8
                      && c.method() == Method.LORA
                      && c.threads() == 1
                      && (c.tokens() == 1 || c.tokens() == 512)),
          Comparator.comparing(c -> c.layer().weights()),
          c -> c.layer().size());
    }
    charts.bars(
        "speedup-training-step",
        "Time of a peer over that of Borealis, training step, r = 8, n = 512, one thread",
        "geometric mean over layers",
        select(
            run,
            c -> c.call() == Call.STEP && c.rank() == 8 && c.tokens() == 512 && c.threads() == 1),
        Comparator.comparing(Case::method),
        c -> c.method().title());
    charts.limits();
    charts.roofline();
    for (Call call : CALLS) {
      charts.heatMap(call);
    }
    charts.tokens();
    charts.threads();
    charts.coldStart();
    return charts.drawn;
  }

  private static List<Result> select(Run run, Predicate<Case> wanted) {
    return run.results().stream()
        .filter(r -> wanted.test(r.measured()) && r.timing(Borealis.NAME).isPresent())
        .toList();
  }

  private static <S extends AxesChartStyler> void style(S styler) {
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setPlotBorderVisible(false);
    styler.setPlotGridLinesColor(new Color(0xDDDDDD));
    styler.setSeriesColors(COLOURS);
    styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 16));
    styler.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    styler.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    styler.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    styler.setLegendPosition(LegendPosition.OutsideS);
    styler.setLegendLayout(Styler.LegendLayout.Horizontal);
    styler.setLegendBorderColor(Color.WHITE);
  }

  private void save(Chart<?, ?> chart, String name, String caption) throws IOException {
    String file = name + ".png";
    BitmapEncoder.saveBitmap(chart, folder.resolve(file).toString(), BitmapFormat.PNG);
    drawn.put(file, caption);
  }

  /** A group of bars a category, a bar a peer. */
  private void bars(
      String name,
      String title,
      String axis,
      List<Result> results,
      Comparator<Case> order,
      Function<Case, String> category)
      throws IOException {
    Map<String, List<Result>> groups = new LinkedHashMap<>();
    results.stream()
        .sorted((a, b) -> order.compare(a.measured(), b.measured()))
        .forEach(r ->
            groups.computeIfAbsent(category.apply(r.measured()), k -> new ArrayList<>()).add(r));
    if (groups.isEmpty()) {
      return;
    }
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .yAxisTitle("times as long as Borealis (log); 1: as fast")
            .xAxisTitle(axis)
            .build();
    style(chart.getStyler());
    chart.getStyler().setYAxisLogarithmic(true).setYAxisMin(0.1);
    chart.getStyler().setLabelsVisible(groups.size() <= MANY_CATEGORIES);
    chart.getStyler().setDecimalPattern("#.#");
    if (groups.size() > MANY_CATEGORIES) {
      chart.getStyler().setXAxisLabelRotation(30);
    }
    for (String peer : peers) {
      add(chart, peer, groups, r -> r.speedUp(peer));
    }
    save(chart, name, title);
  }

  /** Everyone has one colour in all charts. */
  private Color colour(String name) {
    return COLOURS[(peers.indexOf(name) + 1) % COLOURS.length];
  }

  /** Adds a series of geometric means, a bar a group; none where the value isn't known. */
  private void add(
      CategoryChart chart,
      String name,
      Map<String, List<Result>> groups,
      ToDoubleFunction<Result> value) {
    List<@Nullable Double> means = new ArrayList<>();
    for (List<Result> group : groups.values()) {
      double mean = Statistics.geomean(group, value);
      means.add(Double.isNaN(mean) ? null : mean);
    }
    if (means.stream().anyMatch(Objects::nonNull)) {
      chart.addSeries(name, new ArrayList<>(groups.keySet()), means).setFillColor(colour(name));
    }
  }

  /** Every kernel at its flops a byte, below the peak and the slope of memory. */
  private void roofline() throws IOException {
    List<Result> results =
        select(run, c -> c.threads() == 1 && c.tokens() >= 16 && c.call() != Call.MERGE);
    if (results.isEmpty()) {
      return;
    }
    String title = "Roofline, one thread: every measured call of at least 16 tokens";
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT + 60)
            .title(title)
            .xAxisTitle("flops a byte of activations (log)")
            .yAxisTitle("GFLOP/s (log)")
            .build();
    style(chart.getStyler());
    chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
    chart.getStyler().setDefaultSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
    chart.getStyler().setMarkerSize(7);
    double peak = Statistics.peak(results);
    scatter(chart, results, Borealis.NAME, Call.FORWARD);
    scatter(chart, results, Borealis.NAME, Call.BACKWARD);
    scatter(chart, results, Borealis.NAME, Call.STEP);
    scatter(chart, results, "MKL", Call.FORWARD);
    scatter(chart, results, "MKL", Call.BACKWARD);
    double least = results.stream().mapToDouble(Charts::intensity).min().orElseThrow();
    double most = results.stream().mapToDouble(Charts::intensity).max().orElseThrow();
    line(chart, "FMA peak", new double[] {least, most}, new double[] {peak, peak});
    for (Limit limit : run.limits()) {
      boolean shown =
          limit.level() == Bandwidth.Level.MEMORY || limit.level() == Bandwidth.Level.L2;
      if (limit.pattern() == Bandwidth.Pattern.FORWARD && shown) {
        double knee = Math.min(most, peak / limit.rate());
        line(
            chart,
            limit.level().title(),
            new double[] {least, knee},
            new double[] {least * limit.rate(), knee * limit.rate()});
      }
    }
    save(chart, "roofline", title);
  }

  private static double intensity(Result result) {
    return result.measured().flops() / result.measured().bytes();
  }

  private static void scatter(XYChart chart, List<Result> all, String name, Call call) {
    List<Result> results =
        all.stream()
            .filter(r -> r.measured().call() == call && r.timing(name).isPresent())
            .toList();
    if (!results.isEmpty()) {
      XYSeries series =
          chart.addSeries(
              name + (call == Call.STEP ? " step" : " " + call.title()),
              results.stream().mapToDouble(Charts::intensity).toArray(),
              results.stream().mapToDouble(r -> r.measured().flops() / r.best(name)).toArray());
      series.setMarker(
          switch (call) {
            case FORWARD -> SeriesMarkers.CIRCLE;
            case BACKWARD -> SeriesMarkers.DIAMOND;
            case STEP, MERGE -> SeriesMarkers.SQUARE;
          });
      series.setMarkerColor(COLOURS[name.equals(Borealis.NAME) ? 0 : 1]);
    }
  }

  private static void line(XYChart chart, String name, double[] x, double[] y) {
    XYSeries series = chart.addSeries(name, x, y);
    series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Line);
    series.setMarker(SeriesMarkers.NONE);
    series.setLineStyle(SeriesLines.SOLID);
    series.setLineColor(COLOURS[COLOURS.length - 1]);
  }

  private void limits() throws IOException {
    if (run.limits().isEmpty()) {
      return;
    }
    String title = "Traffic floors: plain loops, one thread, by where the data is";
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .yAxisTitle("GB/s, an update counts twice")
            .build();
    style(chart.getStyler());
    chart.getStyler().setLabelsVisible(true);
    chart.getStyler().setDecimalPattern("#");
    Map<String, Map<String, Double>> series = new LinkedHashMap<>();
    for (Limit limit : run.limits()) {
      series
          .computeIfAbsent(limit.pattern().title(), k -> new LinkedHashMap<>())
          .put(limit.level().title(), limit.rate());
    }
    series.forEach((pattern, rates) ->
        chart.addSeries(pattern, new ArrayList<>(rates.keySet()), new ArrayList<>(rates.values())));
    save(chart, "limits", title);
  }

  private void heatMap(Call call) throws IOException {
    List<Result> results =
        select(
            run,
            c ->
                c.call() == call
                    && c.threads() == 1
                    && c.method() == Method.LORA
                    && c.layer().inFeatures() == 4096
                    && c.layer().outFeatures() == 4096);
    if (results.isEmpty()) {
      return;
    }
    List<Integer> ranks =
        new ArrayList<>(new TreeSet<>(results.stream().map(r -> r.measured().rank()).toList()));
    List<Integer> tokens =
        new ArrayList<>(new TreeSet<>(results.stream().map(r -> r.measured().tokens()).toList()));
    List<Number[]> cells = new ArrayList<>();
    for (Result r : results) {
      cells.add(
          new Number[] {
            tokens.indexOf(r.measured().tokens()),
            ranks.indexOf(r.measured().rank()),
            Math.round(100 * r.efficiency(Borealis.NAME))
          });
    }
    String title =
        "Efficiency in % of the machine's limits, LoRA "
            + call.title()
            + ", 4096 × 4096, one thread";
    HeatMapChart chart =
        new HeatMapChartBuilder()
            .width(WIDTH)
            .height(HEIGHT - 60)
            .title(title)
            .xAxisTitle("tokens")
            .yAxisTitle("rank")
            .build();
    style(chart.getStyler());
    chart.getStyler().setShowValue(true);
    chart.getStyler().setValueFont(new Font(Font.SANS_SERIF, Font.BOLD, 16));
    chart.getStyler().setMin(0).setMax(100);
    chart
        .getStyler()
        .setRangeColors(
            new Color[] {new Color(0xD1495B), new Color(0xF2E394), new Color(0x66A182)});
    chart.getStyler().setLegendVisible(false);
    chart.addSeries("efficiency", tokens, ranks, cells);
    save(chart, "efficiency-" + call.title(), title);
  }

  private void tokens() throws IOException {
    String title =
        "Time of a token by tokens in a call: LoRA forward, 4096 × 4096, r = 8, one thread";
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("tokens (log)")
            .yAxisTitle("µs a token (log)")
            .build();
    style(chart.getStyler());
    chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
    List<String> names = new ArrayList<>(List.of(Borealis.NAME));
    names.addAll(peers);
    for (String name : names) {
      TreeMap<Double, Double> points = new TreeMap<>();
      for (Result r :
          select(
              run,
              c ->
                  c.call() == Call.FORWARD
                      && c.threads() == 1
                      && c.method() == Method.LORA
                      && c.rank() == 8
                      && c.layer().inFeatures() == 4096
                      && c.layer().outFeatures() == 4096)) {
        if (r.timing(name).isPresent()) {
          points.put((double) r.measured().tokens(), r.best(name) / 1e3 / r.measured().tokens());
        }
      }
      if (points.size() > 1) {
        XYSeries series =
            chart.addSeries(
                name, new ArrayList<>(points.keySet()), new ArrayList<>(points.values()));
        series.setLineColor(colour(name));
        series.setMarkerColor(colour(name));
      }
    }
    if (!chart.getSeriesMap().isEmpty()) {
      save(chart, "tokens", title);
    }
  }

  private void threads() throws IOException {
    Map<String, Result> alone = new LinkedHashMap<>();
    for (Result r : select(run, c -> c.threads() == 1)) {
      alone.put(withoutThreads(r), r);
    }
    List<Result> both =
        select(run, c -> c.threads() == 2 && CALLS.contains(c.call())).stream()
            .filter(r -> alone.containsKey(withoutThreads(r)))
            .collect(Collectors.toCollection(ArrayList::new));
    if (both.isEmpty()) {
      return;
    }
    String title = "Two threads over one: speed-up, geometric mean over methods and ranks";
    CategoryChart chart =
        new CategoryChartBuilder().width(WIDTH).height(HEIGHT).title(title).build();
    style(chart.getStyler());
    chart.getStyler().setLabelsVisible(true);
    chart.getStyler().setDecimalPattern("#.#");
    chart.getStyler().setYAxisMin(0.0);
    both.sort(
        Comparator.comparing((Result r) -> r.measured().call())
            .thenComparing(r -> r.measured().tokens()));
    Map<String, List<Result>> groups = new LinkedHashMap<>();
    for (Result r : both) {
      Case c = r.measured();
      groups
          .computeIfAbsent(
              "%s, n = %d".formatted(c.call().title(), c.tokens()), k -> new ArrayList<>())
          .add(r);
    }
    List<String> names = new ArrayList<>(List.of(Borealis.NAME));
    names.addAll(peers);
    for (String name : names) {
      add(
          chart,
          name,
          groups,
          r -> {
            Result single = alone.get(withoutThreads(r));
            return single == null ? Double.NaN : single.best(name) / r.best(name);
          });
    }
    save(chart, "threads", title);
  }

  private static String withoutThreads(Result result) {
    String id = result.measured().id();
    return id.substring(0, id.lastIndexOf('/'));
  }

  private void coldStart() throws IOException {
    if (run.coldStarts().isEmpty()) {
      return;
    }
    String title = "Cold start: since the JVM's start. " + ColdStart.WHAT;
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .yAxisTitle("ms")
            .build();
    style(chart.getStyler());
    chart.getStyler().setLabelsVisible(true);
    chart.getStyler().setDecimalPattern("#");
    List<String> names = run.coldStarts().stream().map(ColdStart::name).toList();
    chart.addSeries("prepared", names, run.coldStarts().stream().map(ColdStart::prepared).toList());
    chart.addSeries(
        "first call done", names, run.coldStarts().stream().map(ColdStart::firstCall).toList());
    chart.addSeries(
        "steady (1.5 times the best)",
        names,
        run.coldStarts().stream().map(ColdStart::steady).toList());
    save(chart, "cold-start", title);
  }
}
