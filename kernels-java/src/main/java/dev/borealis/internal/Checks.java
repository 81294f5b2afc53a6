package dev.borealis.internal;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** The argument checks of every call. All of them run before an output is touched. */
public final class Checks {
  private Checks() {}

  /**
   * Requires a live matrix on the host that this thread may touch, with the given columns.
   *
   * @param name for the message
   * @param tensor to check
   * @param columns expected
   */
  public static void matrix(String name, Tensor tensor, long columns) {
    matrix(name, tensor, columns, Location.HOST);
  }

  /**
   * Requires a live matrix that this thread may touch, with the given columns.
   *
   * @param name for the message
   * @param tensor to check
   * @param columns expected
   * @param location where it has to be
   */
  public static void matrix(String name, Tensor tensor, long columns, Location location) {
    Objects.requireNonNull(tensor, name);
    if (tensor.dimensions() != 2 || tensor.columns() != columns) {
      throw new ShapeMismatchException(
          name + ": expected shape [n, " + columns + "], came " + tensor);
    }
    accessible(name, tensor, location);
  }

  /**
   * Requires a live matrix on the host that this thread may touch, of the given shape.
   *
   * @param name for the message
   * @param tensor to check
   * @param rows expected
   * @param columns expected
   */
  public static void matrix(String name, Tensor tensor, long rows, long columns) {
    matrix(name, tensor, rows, columns, Location.HOST);
  }

  /**
   * Requires a live matrix that this thread may touch, of the given shape.
   *
   * @param name for the message
   * @param tensor to check
   * @param rows expected
   * @param columns expected
   * @param location where it has to be
   */
  public static void matrix(
      String name, Tensor tensor, long rows, long columns, Location location) {
    Objects.requireNonNull(tensor, name);
    if (!tensor.hasShape(rows, columns)) {
      throw new ShapeMismatchException(
          name + ": expected shape [" + rows + ", " + columns + "], came " + tensor);
    }
    accessible(name, tensor, location);
  }

  /**
   * Requires memory of the host that is alive and that this thread may touch.
   *
   * @param name for the message
   * @param tensor to check
   */
  public static void accessible(String name, Tensor tensor) {
    accessible(name, tensor, Location.HOST);
  }

  /**
   * Requires memory that is alive and that this thread may touch.
   *
   * @param name for the message
   * @param tensor to check
   * @param location where it has to be
   */
  public static void accessible(String name, Tensor tensor, Location location) {
    if (!tensor.location().equals(location)) {
      throw new IllegalArgumentException(
          name + ": expected a tensor on " + location + ", came " + tensor + placeOf(tensor));
    }
    accessible(name, tensor.isAlive(), tensor.isAccessibleBy(Thread.currentThread()));
  }

  /** A device's tensor names its place itself. */
  private static String placeOf(Tensor tensor) {
    return tensor.location().isHost() ? " on the host" : "";
  }

  /**
   * Requires an arena that takes allocations from this thread.
   *
   * @param name for the message
   * @param arena to check
   */
  public static void accessible(String name, Arena arena) {
    if (!arena.scope().isAlive()) {
      throw new IllegalStateException(name + ": expected a live one, came a closed one");
    }
    try {
      arena.allocate(0);
    } catch (WrongThreadException e) {
      throw new IllegalStateException(
          name
              + ": expected one that thread "
              + Thread.currentThread().getName()
              + " may use, came another thread's confined arena",
          e);
    }
  }

  /**
   * Requires memory that is alive and that this thread may touch.
   *
   * @param name for the message
   * @param segment to check
   */
  public static void accessible(String name, MemorySegment segment) {
    accessible(name, segment.scope().isAlive(), segment.isAccessibleBy(Thread.currentThread()));
  }

  private static void accessible(String name, boolean alive, boolean ours) {
    if (!alive) {
      throw new IllegalStateException(name + ": expected a live arena, came a closed one");
    }
    if (!ours) {
      throw new IllegalStateException(
          name
              + ": expected memory that thread "
              + Thread.currentThread().getName()
              + " may touch, came another thread's confined arena");
    }
  }

  /**
   * Requires memory that is not read-only.
   *
   * @param name for the message
   * @param tensor to check
   */
  public static void writable(String name, Tensor tensor) {
    if (tensor.isReadOnly()) {
      throw new IllegalArgumentException(
          name + ": expected writable memory, came a read-only segment");
    }
  }

  /**
   * Requires an output that shares no memory with another tensor.
   *
   * @param outputName for the message
   * @param output to check
   * @param name of the other, for the message
   * @param other the other tensor
   */
  public static void disjoint(String outputName, Tensor output, String name, Tensor other) {
    if (output.overlaps(other)) {
      throw new OverlapException(
          outputName + ": expected memory apart from " + name + "'s, came some that they share");
    }
  }

  /**
   * Requires a pair of the table of legal types: both share their type, or the output is F32.
   *
   * @param inputName for the message
   * @param input of the call
   * @param outputName for the message
   * @param output to check
   */
  public static void types(String inputName, Tensor input, String outputName, Tensor output) {
    if (output.dtype() != input.dtype() && output.dtype() != DType.F32) {
      throw new DTypeMismatchException(
          outputName
              + ": expected "
              + (input.dtype() == DType.F32 ? "F32" : input.dtype() + " or F32")
              + " beside "
              + inputName
              + " of "
              + input.dtype()
              + ", came "
              + output.dtype());
    }
  }
}
