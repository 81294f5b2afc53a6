package dev.borealis.jmh.compare;

import java.util.List;

/** Who computes a case: Borealis, or a peer. */
public interface Contender {
  /** {@return the name in reports} */
  String name();

  /**
   * Prepares a call in each of the forms that may be fastest, with everything packed and allocated
   * that can be; the fastest form counts.
   *
   * @param problem the data; outlives what is returned
   * @param call what to compute
   * @return none if this contender has no such call
   */
  List<Prepared> prepare(Problem problem, Call call);

  /**
   * Waits until the JIT has compiled what a case uses, where it tells; a short warm-up of the timed
   * call itself follows in any case.
   *
   * @param c the case
   */
  default void warmUp(Case c) {}

  /** A call that is ready to be timed. */
  interface Prepared extends AutoCloseable {
    /**
     * Computes.
     *
     * @param slot which of the problem's batches to use
     */
    void run(int slot);

    /**
     * Sets what the call accumulates, of slot 0, to its start: Y to that of the problem, else 0.
     */
    void reset();

    /** {@return what the call has computed in slot 0} */
    Outputs outputs();

    @Override
    void close();
  }
}
