package dev.borealis.jmh.compare;

import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.cpu.Limits;
import dev.borealis.jmh.cpu.Team;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The least traffic of a call: plain loops that read what must be read and update what must be
 * updated, once, each thread its share.
 */
final class Floor {
  /** Whole vectors for the loops, at any vector length. */
  private static final long GRAIN = 1024;

  private final Problem problem;
  private final Call call;
  private final int threads;
  private final Team team;
  private final MemorySegment weights;
  private final MemorySegment merged;

  Floor(Problem problem, Call call, int threads, Team team, Arena arena) {
    this.problem = problem;
    this.call = call;
    this.threads = threads;
    this.team = team;
    long bytes =
        problem.weights().get(Parameter.A).segment().byteSize()
            + problem.weights().get(Parameter.B).segment().byteSize();
    weights = arena.allocate(roundUp(bytes), 64);
    merged = call == Call.MERGE ? arena.allocate(roundUp(4 * layerWeights(problem)), 64) : weights;
  }

  /** Runs with the activations of a slot. */
  void run(int slot) {
    Problem.Batch batch = problem.batch(slot);
    if (threads == 1) {
      part(batch, 0);
    } else {
      team.run(part -> part(batch, part));
    }
  }

  private void part(Problem.Batch batch, int part) {
    switch (call) {
      case FORWARD -> forward(batch, part);
      case BACKWARD -> backward(batch, part);
      case STEP -> {
        forward(batch, part);
        backward(batch, part);
        for (int moment = 0; moment < 2; moment++) {
          Limits.update(share(weights, part));
        }
      }
      case MERGE -> {
        Limits.read(share(weights, part));
        Limits.update(share(merged, part));
      }
    }
  }

  private void forward(Problem.Batch batch, int part) {
    Limits.read(share(weights, part));
    Limits.read(share(batch.x().segment(), part));
    Limits.update(share(batch.y().segment(), part));
  }

  private void backward(Problem.Batch batch, int part) {
    Limits.read(share(weights, part));
    Limits.read(share(batch.x().segment(), part));
    Limits.read(share(batch.dY().segment(), part));
    Limits.update(share(batch.dX().segment(), part));
    Limits.update(share(weights, part));
  }

  private static long layerWeights(Problem problem) {
    return (long) problem.spec().inFeatures() * problem.spec().outFeatures();
  }

  /** A thread's share of memory, in whole grains; what is left over at the end is left out. */
  private MemorySegment share(MemorySegment all, int part) {
    long grains = all.byteSize() / GRAIN;
    long from = part * grains / threads;
    long to = (part + 1) * grains / threads;
    return all.asSlice(from * GRAIN, (to - from) * GRAIN);
  }

  private static long roundUp(long bytes) {
    return (bytes + GRAIN - 1) / GRAIN * GRAIN;
  }
}
