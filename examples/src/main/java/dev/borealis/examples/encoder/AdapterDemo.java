package dev.borealis.examples.encoder;

import static dev.borealis.examples.CheckFailedException.require;

import dev.borealis.adapter.Parameter;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.TokenBatch;
import dev.borealis.optim.LinearSchedule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import me.tongfei.progressbar.ProgressBar;

/** Adapters at query and value of every layer: what they change, and that they learn. */
final class AdapterDemo {
  private static final int PAIRS = 32;
  private static final int STEPS = 10;
  private static final double LEARNING_RATE = 2e-3;
  private static final double DEVIATION = 0.05;

  private final Setup setup;
  private final List<TokenBatch> definitions;
  private final List<float[]> unadapted;
  private final List<TokenBatch> pairs = new ArrayList<>();
  private final EncoderWorkspace workspace;
  private final int maxTokens;

  AdapterDemo(Setup setup, Encoder encoder, List<TokenBatch> definitions) {
    this.setup = setup;
    this.definitions = definitions;
    // One batch more than steps: the last is held out.
    List<Gloss> glosses = setup.sample(PAIRS * (STEPS + 1));
    for (int from = 0; from < glosses.size(); from += PAIRS) {
      pairs.add(RetrievalLoss.batch(glosses.subList(from, from + PAIRS), setup.tokenizer()));
    }
    this.maxTokens = Math.max(Setup.largest(definitions), Setup.largest(pairs));
    this.workspace = setup.workspace(maxTokens, true);
    this.unadapted = Setup.embed(encoder, definitions, workspace);
  }

  void run() {
    List<String> report = new ArrayList<>();
    try (var progress = Progress.of("Adapters", Method.values().length * STEPS)) {
      for (Method method : Method.values()) {
        try (var adapters =
            new AdapterSet(method, setup.weights(), maxTokens, setup.backend(), setup.arena())) {
          report.add(demonstrate(method, adapters, progress));
        }
      }
    }
    System.out.printf(
        "%nAdapters at query and value of all layers; training: words find their definitions among"
            + " %d%n",
        PAIRS);
    report.forEach(System.out::print);
  }

  private String demonstrate(Method method, AdapterSet adapters, ProgressBar progress) {
    var encoder = new Encoder(setup.weights(), setup.projections().with(adapters));
    var schedule = new LinearSchedule(LEARNING_RATE, 0, STEPS);
    var training = new Training(encoder, adapters, workspace, schedule, setup.arena());

    requireUnchanged(method, Setup.embed(encoder, definitions, workspace));

    adapters.randomiseUpProjections(DEVIATION);
    String change = change(Setup.embed(encoder, definitions, workspace));
    training.gradients(pairs.getFirst());
    Map<Parameter, Double> norms = adapters.gradientNorms();
    requireGradients(method, norms);

    adapters.randomiseUpProjections(0);
    TokenBatch heldOut = pairs.getLast();
    double heldOutBefore = training.loss(heldOut);
    double before = training.step(pairs.getFirst());
    double after = training.loss(pairs.getFirst());
    progress.step();
    require(
        after < before,
        method.title() + ": expected a step to lower the loss " + before + ", came " + after);
    for (int step = 1; step < STEPS; step++) {
      training.step(pairs.get(step));
      progress.step();
    }
    double heldOutAfter = training.loss(heldOut);

    return """
      %s, rank %d, %,d weights
        B = 0        embeddings of %d sentences equal to the bit
        random B     cosine to the embeddings without adapter: %s
        gradients    %s
        one step     loss on its batch %.4f -> %.4f
        %d steps     loss on a held-out batch %.4f -> %.4f
    """
        .formatted(
            method.title(),
            adapters.all().getFirst().weights().spec().rank(),
            adapters.parameters(),
            unadapted.size(),
            change,
            norms.entrySet().stream()
                .map(norm -> "%s %.2e".formatted(norm.getKey(), norm.getValue()))
                .collect(Collectors.joining(", ")),
            before,
            after,
            STEPS,
            heldOutBefore,
            heldOutAfter);
  }

  private void requireUnchanged(Method method, List<float[]> embeddings) {
    for (int s = 0; s < embeddings.size(); s++) {
      require(
          Arrays.equals(unadapted.get(s), embeddings.get(s)),
          method.title()
              + ", B = 0: expected the same bits as without, came others in sentence "
              + s);
    }
  }

  private String change(List<float[]> embeddings) {
    double sum = 0;
    double lowest = 1;
    for (int s = 0; s < embeddings.size(); s++) {
      double cosine = Vectors.cosine(unadapted.get(s), embeddings.get(s));
      sum += cosine;
      lowest = Math.min(lowest, cosine);
    }
    require(lowest < 1, "random B: expected other embeddings, came the same");
    return "mean %.4f, lowest %.4f".formatted(sum / embeddings.size(), lowest);
  }

  private static void requireGradients(Method method, Map<Parameter, Double> norms) {
    norms.forEach((parameter, norm) ->
        require(
            norm > 0 && Double.isFinite(norm),
            method.title() + ": expected a gradient of " + parameter + ", came norm " + norm));
  }
}
