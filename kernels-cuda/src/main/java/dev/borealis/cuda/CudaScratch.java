package dev.borealis.cuda;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import dev.borealis.ffm.Stream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;

/**
 * All that calls of an adapter need: a stream, one block of device memory, one of page-locked host
 * memory, the launches and their arguments. Freed when the arena closes.
 */
final class CudaScratch implements AdapterKernel.Scratch {
  final boolean training;
  final Launches launches;
  final Arguments arguments;
  final Staging x;
  final Staging y;
  final Staging dX;
  final Map<Parameter, Staging> gradients = new EnumMap<>(Parameter.class);

  // Device addresses.
  final long z;
  final long u;
  final long shares;
  final long dz;
  final long g;
  final long da;
  final long t;
  final long q;
  final long dvTerms;
  final long dBetaTerms;
  final long outerShares;
  final long columnShares;
  final long staticGradient;

  /** What has to be freed. */
  private record Memory(Stream stream, DeviceBuffer device, PinnedBuffer pinned) {
    static Memory allocate(CudaEngine engine, long deviceBytes, long hostBytes) {
      Stream stream = Stream.create(engine.context());
      try {
        DeviceBuffer device = DeviceBuffer.allocate(engine.context(), deviceBytes);
        try {
          PinnedBuffer pinned = PinnedBuffer.allocate(engine.context(), hostBytes);
          return new Memory(stream, device, pinned);
        } catch (RuntimeException e) {
          device.close();
          throw e;
        }
      } catch (RuntimeException e) {
        stream.close();
        throw e;
      }
    }

    void close() {
      pinned.close();
      device.close();
      stream.close();
    }
  }

  CudaScratch(
      CudaEngine engine, AdapterSpec spec, PhiWeights phi, int maxTokens, Mode mode, Arena arena) {
    this.training = mode == Mode.TRAINING;
    long n = Math.max(maxTokens, 1);
    int in = spec.inFeatures();
    int out = spec.outFeatures();
    // φ of the static form works on the columns of A.
    long rows = spec.staticForm() ? Math.max(n, in) : n;
    long ldZ = Packed.round(spec.downRank(), Packed.ROW_TILE);
    long ldU = Packed.round(spec.rank(), Packed.ROW_TILE);
    Carver device = new Carver();
    Carver host = new Carver();
    Staging.Plan planX = Staging.plan(device, host, n, in);
    Staging.Plan planY = Staging.plan(device, host, n, out);
    long zAt = device.floats(n * ldZ);
    long uAt = device.floats(rows * ldU);
    long down = Splits.contractFloats(n, in, ldZ);
    long up = training ? Splits.ceil(out, Splits.BACKWARD_COLUMNS) * n * ldU : 0;
    long sharesAt = device.floats(Math.max(down, up));
    Staging.Plan planDx = training ? Staging.plan(device, host, n, in) : planX;
    Map<Parameter, Staging.Plan> plans = new EnumMap<>(Parameter.class);
    long dzAt = 0;
    long gAt = 0;
    long daAt = 0;
    long tAt = 0;
    long qAt = 0;
    long dvAt = 0;
    long dBetaAt = 0;
    long outerAt = 0;
    long columnsAt = 0;
    long staticAt = 0;
    if (training) {
      dzAt = device.floats(rows * ldZ);
      gAt = device.floats(rows * ldU);
      daAt = device.floats(rows * ldU);
      tAt = device.floats(rows * ldU);
      qAt = device.floats(rows * Packed.ld(Math.max(phi.bases(), 1)));
      dvAt = device.floats(rows * ldU);
      dBetaAt = device.floats(rows * ldU);
      long widest = Math.max(Math.max(in, out), (long) spec.rank() * Math.max(phi.bases(), 1));
      widest = Math.max(widest, spec.downRank());
      outerAt = device.floats(Splits.outerFloats(rows, spec.downRank(), widest));
      columnsAt = device.floats(Splits.outerFloats(rows, 1, widest));
      staticAt = device.floats(spec.staticForm() ? in * ldU : 0);
      for (Parameter parameter : spec.parameters()) {
        long[] shape = spec.shape(parameter);
        long columns = shape[shape.length - 1];
        long leading = 1;
        for (int i = 0; i < shape.length - 1; i++) {
          leading *= shape[i];
        }
        plans.put(parameter, Staging.planDense(device, host, leading, columns));
      }
    }
    Memory owned = Memory.allocate(engine, device.bytes(), host.bytes());
    // Nobody closes a workspace; its arena does.
    MemorySegment.NULL.reinterpret(1, arena, ignored -> owned.close());
    Stream stream = owned.stream();
    DeviceBuffer memory = owned.device();
    PinnedBuffer pinned = owned.pinned();
    this.launches = new Launches(engine.module(), stream);
    this.arguments = new Arguments(Arena.ofAuto());
    this.x = new Staging(planX, memory, pinned, stream);
    this.y = new Staging(planY, memory, pinned, stream);
    this.dX = new Staging(planDx, memory, pinned, stream);
    plans.forEach((p, plan) -> gradients.put(p, new Staging(plan, memory, pinned, stream)));
    long base = memory.address();
    this.z = base + zAt;
    this.u = base + uAt;
    this.shares = base + sharesAt;
    this.dz = base + dzAt;
    this.g = base + gAt;
    this.da = base + daAt;
    this.t = base + tAt;
    this.q = base + qAt;
    this.dvTerms = base + dvAt;
    this.dBetaTerms = base + dBetaAt;
    this.outerShares = base + outerAt;
    this.columnShares = base + columnsAt;
    this.staticGradient = base + staticAt;
  }
}
