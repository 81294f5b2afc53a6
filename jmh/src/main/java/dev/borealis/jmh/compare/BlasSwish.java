package dev.borealis.jmh.compare;

import static dev.borealis.jmh.compare.Elementary.Loops.BYTES;
import static dev.borealis.jmh.compare.Elementary.Loops.O;
import static dev.borealis.jmh.compare.Elementary.Loops.S;

import dev.borealis.adapter.Parameter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** {@code u = v z q}, q = sigmoid(β z): NoLoRA, and NoRA's SiLU with β = v = 1. */
final class BlasSwish extends BlasPhi {
  private final Elementary elementary;
  private final MemorySegment q = rows(rank);
  private final boolean learnable;

  BlasSwish(Elementary elementary, Problem problem, int stride, Arena arena) {
    super(problem, stride, arena);
    this.elementary = elementary;
    this.learnable = problem.spec().parameters().contains(Parameter.BETA);
  }

  private float beta(int j) {
    return learnable ? at(weight(Parameter.BETA), j) : 1;
  }

  private float modulation(int j) {
    return learnable ? at(weight(Parameter.V), j) : 1;
  }

  @Override
  void forward(MemorySegment z, MemorySegment u) {
    for (int j = 0; j < rank; j++) {
      long from = 4L * j * stride;
      float minusBeta = -beta(j);
      for (long at = from; at < from + 4L * stride; at += BYTES) {
        FloatVector.fromMemorySegment(S, z, at, O).mul(minusBeta).intoMemorySegment(q, at, O);
      }
    }
    elementary.exp(q);
    for (int j = 0; j < rank; j++) {
      long from = 4L * j * stride;
      float v = modulation(j);
      for (long at = from; at < from + 4L * stride; at += BYTES) {
        FloatVector one = FloatVector.broadcast(S, 1);
        FloatVector sigmoid = one.div(FloatVector.fromMemorySegment(S, q, at, O).add(one));
        sigmoid.intoMemorySegment(q, at, O);
        FloatVector.fromMemorySegment(S, z, at, O).mul(sigmoid).mul(v).intoMemorySegment(u, at, O);
      }
    }
  }

  @Override
  void backward(MemorySegment z, MemorySegment g, MemorySegment dz) {
    for (int j = 0; j < rank; j++) {
      long from = 4L * j * stride;
      float beta = beta(j);
      float v = modulation(j);
      FloatVector dV = FloatVector.zero(S);
      FloatVector dBeta = FloatVector.zero(S);
      for (long at = from; at < from + 4L * stride; at += BYTES) {
        FloatVector x = FloatVector.fromMemorySegment(S, z, at, O);
        FloatVector sigmoid = FloatVector.fromMemorySegment(S, q, at, O);
        FloatVector gradient = FloatVector.fromMemorySegment(S, g, at, O);
        FloatVector byF = gradient.mul(v);
        FloatVector f = x.mul(sigmoid);
        FloatVector bend = f.mul(FloatVector.broadcast(S, 1).sub(sigmoid)); // z q (1 − q)
        byF.mul(bend.mul(beta).add(sigmoid)).intoMemorySegment(dz, at, O);
        dV = gradient.fma(f, dV);
        dBeta = byF.mul(x).fma(bend, dBeta);
      }
      if (learnable) {
        add(gradient(Parameter.V), j, dV.reduceLanes(VectorOperators.ADD));
        add(gradient(Parameter.BETA), j, dBeta.reduceLanes(VectorOperators.ADD));
      }
    }
  }
}
