package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.RowGroups;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Rows of several adapters on the device: a table of the groups and their tiles is copied there,
 * and three launches do all groups, however many there are. A group's rows are summed in the shares
 * of a call of its adapter with these rows, so that they get its bits.
 */
final class CudaBatch implements BatchKernel {
  private static final long GROUP_BYTES = Structs.GROUP.byteSize();
  private static final long ROWS = Structs.offset(Structs.GROUP, "rows");
  private static final long GROUPS = Structs.offset(Structs.BATCH, "groups");
  private static final long TILES = Structs.offset(Structs.BATCH, "tiles");
  private static final int ROWS_OF_TILE = 32;
  private static final int TILE_BYTES = 2 * Integer.BYTES;

  private final CudaEngine engine;
  private final CudaQueue queue;

  /** The table on the host and on the device, with the same offsets. */
  private final MemorySegment table;

  private final DeviceBuffer deviceTable;
  private final ForwardArguments[] forwards;
  private final long rowsAt;
  private final TileList tiles;
  private final TileList phiTiles;
  private final MemorySegment arguments;

  // Device addresses.
  private final long shares;
  private final long u;

  CudaBatch(CudaEngine engine, BatchLimits limits, CudaQueue queue, Arena arena) {
    this.engine = engine;
    this.queue = queue;
    int rows = limits.maxRows();
    int groups = Math.min(rows, limits.maxAdapters());
    Carver carver = new Carver();
    carver.take(groups * GROUP_BYTES);
    rowsAt = carver.take((long) rows * Integer.BYTES);
    long tilesAt = carver.take((long) rows * TILE_BYTES);
    long phiAt = carver.take((long) rows * TILE_BYTES);
    table = arena.allocate(carver.bytes(), Long.BYTES);
    MemorySegment addresses = DeviceMemory.device(engine.context(), carver.bytes(), arena);
    deviceTable = DeviceBuffer.borrow(engine.context(), addresses.address(), carver.bytes());
    forwards = new ForwardArguments[groups];
    for (int group = 0; group < groups; group++) {
      forwards[group] =
          new ForwardArguments(table.asSlice(group * GROUP_BYTES, Structs.FORWARD.byteSize()));
    }
    tiles = new TileList(table, tilesAt);
    phiTiles = new TileList(table, phiAt);
    arguments = arena.allocate(Structs.BATCH);
    // SwiGLU's Z has twice the rank.
    long ldZ = Packed.round(2L * limits.maxRank(), Packed.ROW_TILE);
    long ldU = Packed.round(limits.maxRank(), Packed.ROW_TILE);
    Carver scratch = new Carver();
    long sharesAt =
        scratch.floats(rows * ldZ * Splits.ceil(limits.maxInFeatures(), Splits.SHORT_COLUMNS));
    long uAt = scratch.floats(rows * ldU);
    long base = DeviceMemory.device(engine.context(), scratch.bytes(), arena).address();
    shares = base + sharesAt;
    u = base + uAt;
  }

  @Override
  public boolean accepts(AdapterKernel kernel) {
    return kernel instanceof CudaAdapter adapter && adapter.isOf(engine);
  }

  @Override
  public void forward(Tensor x, Tensor y, RowGroups groups) {
    DeviceMatrix deviceX = DeviceMatrix.of(x);
    DeviceMatrix deviceY = DeviceMatrix.of(y);
    tiles.clear();
    phiTiles.clear();
    int mostRanks = 0;
    long mostShares = 0;
    long mostPhiBytes = 0;
    long nextShares = shares;
    long nextU = u;
    for (int group = 0; group < groups.count(); group++) {
      CudaAdapter adapter = (CudaAdapter) groups.kernel(group);
      AdapterSpec spec = adapter.spec();
      int n = groups.to(group) - groups.from(group);
      int in = spec.inFeatures();
      int split =
          ForwardPass.isFused(spec, n, engine.settings().fusedTokens())
              ? Math.toIntExact(Packed.round(in, 32))
              : Splits.columns(Math.min(n, Splits.TALL_TOKENS - 1), in, spec.downRank());
      long count = Splits.ceil(in, split);
      ForwardArguments forward = forwards[group];
      adapter.begin(forward, deviceX, deviceY, n, groups.scale(group), nextU);
      forward.down.shares(nextShares, split);
      long rowsOfGroup = deviceTable.address() + rowsAt + (long) groups.from(group) * Integer.BYTES;
      table.set(JAVA_LONG, group * GROUP_BYTES + ROWS, rowsOfGroup);
      tiles.add(group, n, ROWS_OF_TILE);
      phiTiles.add(group, n, PhiWeights.rows(n));
      PhiWeights phi = adapter.callPhi();
      forward.phi.shares(new Shares(nextShares, count, n * phi.ldZ(), phi.ldZ(), phi.ldZ()), 1);
      nextShares += n * phi.ldZ() * count * Float.BYTES;
      nextU += n * phi.ldU() * Float.BYTES;
      mostRanks = Math.max(mostRanks, phi.downRank());
      mostShares = Math.max(mostShares, count);
      mostPhiBytes = Math.max(mostPhiBytes, phi.forwardBytes(n));
    }
    int used = groups.to(groups.count() - 1);
    MemorySegment.copy(groups.rows(), 0, table, JAVA_INT, rowsAt, used);
    // Not page-locked: the driver has taken a small table over when this returns.
    deviceTable.copyFrom(table.asSlice(0, phiTiles.end()), queue.stream());
    Launches launches = queue.launches();
    launches.run(
        Kernel.BATCH_CONTRACT,
        x.dtype(),
        Splits.ceil(mostRanks, ForwardPass.SHORT_RANKS),
        tiles.count(),
        mostShares,
        ForwardPass.QUEUE_BYTES,
        batch(tiles));
    launches.run(
        Kernel.BATCH_PHI, DType.F32, phiTiles.count(), 1, 1, mostPhiBytes, batch(phiTiles));
    launches.run(
        Kernel.BATCH_EXPAND,
        x.dtype(),
        Splits.ceil(y.columns(), Kernel.THREADS),
        tiles.count(),
        1,
        ForwardPass.expandBytes(ROWS_OF_TILE, y.dtype()),
        batch(tiles));
  }

  private MemorySegment batch(TileList list) {
    arguments.set(JAVA_LONG, GROUPS, deviceTable.address());
    arguments.set(JAVA_LONG, TILES, deviceTable.address() + list.at());
    return arguments;
  }
}
