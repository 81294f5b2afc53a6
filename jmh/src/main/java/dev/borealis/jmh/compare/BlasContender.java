package dev.borealis.jmh.compare;

import dev.borealis.jmh.Method;
import dev.borealis.jmh.peer.Blas;
import dev.borealis.jmh.peer.Mkl;
import java.util.ArrayList;
import java.util.List;

/** A BLAS library called from Java, in every form that {@link BlasCall} has; steps of LoRA only. */
public final class BlasContender implements Contender {
  private final Blas blas;
  private final List<Elementary> elementary = new ArrayList<>();

  /**
   * Creates the contender.
   *
   * @param blas the library; MKL also brings vector functions
   */
  public BlasContender(Blas blas) {
    this.blas = blas;
    elementary.add(Elementary.VECTOR_API);
    if (blas instanceof Mkl mkl) {
      elementary.add(Elementary.of(mkl));
    }
  }

  @Override
  public String name() {
    return blas.name();
  }

  @Override
  public List<Prepared> prepare(Problem problem, Call call) {
    List<Prepared> forms = new ArrayList<>();
    if (call == Call.MERGE) {
      forms.add(new BlasMerge(blas, problem));
    } else if (problem.method() == Method.LORA) {
      forms.add(BlasCall.tokenRows(blas, problem, call));
      forms.add(BlasCall.rankRows(blas, null, problem, call));
    } else if (call != Call.STEP) {
      for (Elementary functions : elementary) {
        forms.add(BlasCall.rankRows(blas, functions, problem, call));
      }
    }
    return forms;
  }
}
