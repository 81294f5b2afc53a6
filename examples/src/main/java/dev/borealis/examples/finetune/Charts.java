package dev.borealis.examples.finetune;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The report's charts, as PNG files. */
final class Charts {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 520;

  /**
   * Limits of the axis: twelve adapters of rank 1 have some 9,000 numbers, of rank 8 some 74,000.
   */
  private static final double FEWEST_PARAMETERS = 5e3;

  private static final double MOST_PARAMETERS = 2e5;

  /** Steps over which a loss curve is averaged. */
  private static final int WINDOW = 25;

  private Charts() {}

  private static XYChart chart(String title, String x, String y) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle(x)
            .yAxisTitle(y)
            .build();
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setPlotBorderVisible(false);
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    chart.getStyler().setLegendBorderColor(Color.WHITE);
    return chart;
  }

  private static void save(XYChart chart, Path file) throws IOException {
    BitmapEncoder.saveBitmap(chart, file.toString(), BitmapEncoder.BitmapFormat.PNG);
  }

  /** Accuracy of every run against its adapter parameters, and the probe's, which has none. */
  static void accuracy(Collection<RunResult> runs, double probe, Path file) throws IOException {
    XYChart chart =
        chart("Test accuracy of every run", "adapter parameters", "test accuracy in per cent");
    chart.getStyler().setXAxisLogarithmic(true);
    chart.getStyler().setXAxisMin(FEWEST_PARAMETERS);
    chart.getStyler().setXAxisMax(MOST_PARAMETERS);
    chart.getStyler().setXAxisDecimalPattern("#,##0");
    chart.getStyler().setDefaultSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
    chart.getStyler().setMarkerSize(10);
    Map<String, List<RunResult>> byMethod = new TreeMap<>();
    for (RunResult run : runs) {
      byMethod.computeIfAbsent(run.method(), method -> new ArrayList<>()).add(run);
    }
    byMethod.forEach((method, its) ->
        chart.addSeries(
            method,
            its.stream().mapToDouble(RunResult::parameters).toArray(),
            its.stream().mapToDouble(RunResult::accuracy).toArray()));
    XYSeries line =
        chart.addSeries(
            "linear probe",
            new double[] {FEWEST_PARAMETERS, MOST_PARAMETERS},
            new double[] {probe, probe});
    line.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Line);
    line.setMarker(SeriesMarkers.NONE);
    line.setLineColor(Color.GRAY);
    line.setLineStyle(
        new BasicStroke(2, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 1, new float[] {6, 4}, 0));
    save(chart, file);
  }

  /** Loss of every step, averaged over some steps before it. */
  static void losses(Map<String, List<Float>> curves, Path file) throws IOException {
    XYChart chart =
        chart(
            "Training loss, mean over %d steps, seed 0".formatted(WINDOW), "step", "cross entropy");
    curves.forEach((name, losses) -> {
      List<Double> x = new ArrayList<>();
      List<Double> y = new ArrayList<>();
      for (int step = WINDOW; step <= losses.size(); step += 5) {
        x.add((double) step);
        y.add(
            losses.subList(step - WINDOW, step).stream()
                .mapToDouble(Float::doubleValue)
                .average()
                .orElseThrow());
      }
      chart.addSeries(name, x, y).setMarker(SeriesMarkers.NONE);
    });
    save(chart, file);
  }

  /** Singular values relative to the largest, a curve each. */
  static void spectra(Map<String, List<Double>> curves, Path file) throws IOException {
    XYChart chart =
        chart(
            "Singular values of the branch's output less its mean, mean over the adapters",
            "index",
            "relative to the largest");
    chart.getStyler().setYAxisMin(0.0);
    chart.getStyler().setXAxisDecimalPattern("0");
    curves.forEach((name, values) -> {
      double[] x = new double[values.size()];
      for (int i = 0; i < x.length; i++) {
        x[i] = i + 1;
      }
      chart.addSeries(name, x, values.stream().mapToDouble(v -> v).toArray());
    });
    save(chart, file);
  }
}
