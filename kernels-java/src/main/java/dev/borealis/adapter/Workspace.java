package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.Location;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * All memory that calls of one {@link Adapter} need, allocated once, so that calls allocate
 * nothing. Belongs to one call at a time; a second one at the same time is refused. A training
 * workspace remembers its last forward call for the backward.
 */
public final class Workspace {
  private final Adapter owner;
  private final int maxTokens;
  private final Mode mode;
  private final @Nullable DeviceStream stream;
  private final AdapterKernel.Scratch scratch;
  // Of no length: tells whether the arena is live and this thread's.
  private final MemorySegment memory;
  private final AtomicBoolean busy = new AtomicBoolean();

  // The last forward call, if a backward may follow it. Guarded by busy.
  private @Nullable CallOptions forwardOptions;
  private long forwardTokens;
  private long forwardVersion;

  Workspace(
      Adapter owner,
      int maxTokens,
      Mode mode,
      @Nullable DeviceStream stream,
      Arena arena,
      AdapterKernel.Scratch scratch) {
    this.stream = stream;
    this.owner = owner;
    this.maxTokens = maxTokens;
    this.mode = mode;
    this.scratch = scratch;
    this.memory = arena.allocate(0);
  }

  /** {@return the largest number of tokens of a call} */
  public int maxTokens() {
    return maxTokens;
  }

  /** {@return what the workspace is for} */
  public Mode mode() {
    return mode;
  }

  /** {@return the stream that calls are queued in; null if they wait for their results} */
  public @Nullable DeviceStream stream() {
    return stream;
  }

  /** {@return where the tensors of calls have to be} */
  public Location location() {
    return stream == null ? Location.HOST : stream.location();
  }

  AdapterKernel.Scratch scratch() {
    return scratch;
  }

  void acquire(Adapter caller) {
    if (caller != owner) {
      throw new IllegalArgumentException(
          "workspace: expected one made by this adapter, came another adapter's");
    }
    Checks.accessible("workspace", memory);
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException("workspace: expected it to be free, came one in use");
    }
  }

  void release() {
    busy.set(false);
  }

  void requireTokens(long tokens) {
    if (tokens > maxTokens) {
      throw new IllegalArgumentException(
          "x: expected at most the workspace's " + maxTokens + " tokens, came " + tokens);
    }
  }

  void recordForward(CallOptions options, long tokens, long version) {
    if (mode == Mode.TRAINING) {
      forwardOptions = options;
      forwardTokens = tokens;
      forwardVersion = version;
    }
  }

  void forgetForward() {
    forwardOptions = null;
  }

  CallOptions requireForward(long tokens, long version) {
    CallOptions options = forwardOptions;
    if (options == null) {
      throw new IllegalStateException(
          mode == Mode.TRAINING
              ? "backward: expected a forward call with this workspace before it, came none"
              : "backward: expected a workspace for TRAINING, came one for INFERENCE");
    }
    if (tokens != forwardTokens) {
      throw new IllegalStateException(
          "x: expected the " + forwardTokens + " tokens of the forward call, came " + tokens);
    }
    if (version != forwardVersion) {
      throw new IllegalStateException(
          "weights: expected those of the forward call, came a later version");
    }
    return options;
  }
}
