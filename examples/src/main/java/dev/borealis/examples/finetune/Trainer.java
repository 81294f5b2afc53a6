package dev.borealis.examples.finetune;

import dev.borealis.adapter.Parameter;
import dev.borealis.examples.encoder.AdapterSet;
import dev.borealis.examples.encoder.AttachedAdapter;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.optim.AdamW;
import dev.borealis.optim.LinearSchedule;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** Algorithm 1 of AuroRA's paper: the frozen encoder, trained adapters and a trained head. */
final class Trainer {
  static final double WARM_UP = 0.06;
  static final double WEIGHT_DECAY = 0.01;

  private final Encoder encoder;
  private final AdapterSet adapters;
  private final Head head;
  private final EncoderWorkspace workspace;
  private final LinearSchedule adapterSchedule;
  private final LinearSchedule headSchedule;
  private final AdamW adapterOptimiser;
  private final AdamW headOptimiser;

  /**
   * Starts at step 0.
   *
   * @param encoder has the adapters attached
   * @param adapters which are trained
   * @param head which is trained
   * @param workspace of the encoder, for training
   * @param rates the peak learning rates
   * @param steps of the whole training
   * @param arena owner of the optimisers' state
   */
  Trainer(
      Encoder encoder,
      AdapterSet adapters,
      Head head,
      EncoderWorkspace workspace,
      Rates rates,
      long steps,
      Arena arena) {
    this.encoder = encoder;
    this.adapters = adapters;
    this.head = head;
    this.workspace = workspace;
    this.adapterSchedule = LinearSchedule.withWarmupRatio(rates.adapter(), WARM_UP, steps);
    this.headSchedule = LinearSchedule.withWarmupRatio(rates.head(), WARM_UP, steps);
    AdamW.Builder builder = AdamW.builder().weightDecay(WEIGHT_DECAY);
    for (AttachedAdapter attached : adapters.all()) {
      builder.add(attached.name(), attached.weights(), attached.gradients());
    }
    this.adapterOptimiser = builder.build(arena);
    this.headOptimiser = head.optimiser(WEIGHT_DECAY, arena);
  }

  /**
   * Peak learning rates.
   *
   * @param adapter of the adapters
   * @param head of the head
   */
  record Rates(double adapter, double head) {}

  /** Takes one step; returns the loss before it. */
  double step(Batch batch) {
    float[][] embeddings = encoder.forward(batch.tokens(), workspace);
    Head.Loss loss = head.loss(embeddings, batch.labels());
    encoder.backward(batch.tokens(), loss.dX(), workspace);
    adapterOptimiser.step(adapterSchedule.at(steps()));
    headOptimiser.step(headSchedule.at(headOptimiser.steps()));
    adapters.repack();
    return loss.loss();
  }

  /** Steps taken. */
  long steps() {
    return adapterOptimiser.steps();
  }

  /** Live views of all that a step changes. */
  SequencedMap<String, Tensor> state() {
    SequencedMap<String, Tensor> state = new LinkedHashMap<>(weights());
    state.putAll(adapterOptimiser.state());
    state.putAll(headOptimiser.state());
    return state;
  }

  private Map<String, Tensor> weights() {
    Map<String, Tensor> weights = new LinkedHashMap<>(head.tensors());
    for (AttachedAdapter attached : adapters.all()) {
      for (Parameter parameter : attached.weights().parameters()) {
        weights.put(
            attached.name() + "." + parameter.tensorName(), attached.weights().get(parameter));
      }
    }
    return weights;
  }

  /**
   * Takes over a state that {@link #state()} gave after some steps.
   *
   * @throws IllegalArgumentException if a tensor is missing, superfluous or of another shape
   */
  void restore(Map<String, Tensor> saved, long steps) {
    Map<String, Tensor> rest = new LinkedHashMap<>(saved);
    weights()
        .forEach((name, target) -> {
          Tensor source = rest.remove(name);
          if (source == null || !Arrays.equals(source.shape(), target.shape())) {
            throw new IllegalArgumentException(
                name + ": expected " + target + ", came " + (source == null ? "none" : source));
          }
          MemorySegment.copy(source.segment(), 0, target.segment(), 0, target.segment().byteSize());
        });
    Map<String, Tensor> ofHead = new LinkedHashMap<>(rest);
    ofHead.keySet().retainAll(headOptimiser.state().keySet());
    rest.keySet().removeAll(ofHead.keySet());
    headOptimiser.restore(ofHead, steps);
    adapterOptimiser.restore(rest, steps);
    adapters.all().forEach(attached -> attached.weights().markChanged());
    adapters.repack();
  }
}
