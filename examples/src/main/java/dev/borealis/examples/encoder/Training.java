package dev.borealis.examples.encoder;

import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.TokenBatch;
import dev.borealis.optim.AdamW;
import dev.borealis.optim.LinearSchedule;
import java.lang.foreign.Arena;

/** Trains the adapters of an encoder, and nothing else of it, on the {@link RetrievalLoss}. */
public final class Training {
  private final Encoder encoder;
  private final AdapterSet adapters;
  private final EncoderWorkspace workspace;
  private final LinearSchedule schedule;
  private final AdamW optimiser;

  /**
   * Sets up the optimiser.
   *
   * @param encoder has the adapters attached
   * @param adapters what is trained
   * @param workspace of the encoder, for training
   * @param schedule learning rates
   * @param arena owner of the optimiser's state
   */
  public Training(
      Encoder encoder,
      AdapterSet adapters,
      EncoderWorkspace workspace,
      LinearSchedule schedule,
      Arena arena) {
    this.encoder = encoder;
    this.adapters = adapters;
    this.workspace = workspace;
    this.schedule = schedule;
    AdamW.Builder builder = AdamW.builder();
    for (AttachedAdapter attached : adapters.all()) {
      builder.add(attached.name(), attached.weights(), attached.gradients());
    }
    this.optimiser = builder.build(arena);
  }

  /**
   * Measures without changing anything.
   *
   * @param batch words and definitions
   * @return the loss
   */
  public double loss(TokenBatch batch) {
    return RetrievalLoss.of(encoder.forward(batch, workspace)).value();
  }

  /**
   * Computes the gradients of all adapters.
   *
   * @param batch words and definitions
   * @return the loss
   */
  public double gradients(TokenBatch batch) {
    RetrievalLoss loss = RetrievalLoss.of(encoder.forward(batch, workspace));
    encoder.backward(batch, loss.dEmbeddings(), workspace);
    return loss.value();
  }

  /**
   * Takes one step of AdamW.
   *
   * @param batch words and definitions
   * @return the loss before the step
   */
  public double step(TokenBatch batch) {
    double loss = gradients(batch);
    optimiser.step(schedule.at(optimiser.steps()));
    adapters.repack();
    return loss;
  }
}
