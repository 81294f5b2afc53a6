package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.JniUtils;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.jmh.Method;
import dev.borealis.jmh.compare.Problem;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * An adapter's forward as a TorchScript module. What {@code torch.jit.save} writes is a zip of the module's
 * source and a pickle of its attributes; this one has no attributes, as the weights are arguments.
 */
final class ScriptModule {
  private static final SplineGrid GRID = SplineGrid.DEFAULT;

  /** {@code Adapter.__new__()} with the state {@code {"training": False}}, protocol 2. */
  private static final byte[] OBJECT =
      "\u0080\u0002c__torch__\nAdapter\n)\u0081}(X\u0008\0\0\0training\u0089ub."
          .getBytes(StandardCharsets.ISO_8859_1);

  /** An empty tuple. */
  private static final byte[] NO_CONSTANTS =
      "\u0080\u0002).".getBytes(StandardCharsets.ISO_8859_1);

  private ScriptModule() {}

  /**
   * Compiles.
   *
   * @return a module whose arguments are x, y, the parameters in their order, and AuroRA's centres; it
   *     adds to y and returns it
   */
  static PtSymbolBlock load(NDManager manager, Problem problem) {
    ByteArrayOutputStream archive = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(archive)) {
      put(zip, "data.pkl", OBJECT);
      put(zip, "code/__torch__.py", source(problem).getBytes(StandardCharsets.US_ASCII));
      put(zip, "constants.pkl", NO_CONSTANTS);
      put(zip, "version", "3\n".getBytes(StandardCharsets.US_ASCII));
      zip.finish();
      return JniUtils.loadModule(
          (PtNDManager) manager, new ByteArrayInputStream(archive.toByteArray()), false, false);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The reader maps entries into memory, so they aren't compressed. */
  private static void put(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry("adapter/" + name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  private static String source(Problem problem) {
    String arguments =
        problem.spec().parameters().stream()
            .map(parameter -> ",\n    " + parameter.name() + ": Tensor")
            .collect(Collectors.joining());
    String centres = problem.method() == Method.AURORA ? ",\n    centres: Tensor" : "";
    return """
    class Adapter(Module):
      __parameters__ = []
      __buffers__ = []
      training : bool
      def forward(self: __torch__.Adapter,
        x: Tensor,
        y: Tensor%s) -> Tensor:
        z = torch.linear(x, %s)
    %s\
        return torch.addmm_(y, u, torch.t(%s), alpha=%s)
    """
        .formatted(
            arguments + centres,
            Parameter.A.name(),
            phi(problem.method()),
            Parameter.B.name(),
            number(problem.spec().scale()));
  }

  private static String phi(Method method) {
    return switch (method) {
      case LORA -> "    u = z\n";
      case NORA -> "    u = torch.mul(z, torch.sigmoid(z))\n";
      case NOLORA ->
          "    u = torch.mul(torch.mul(z, torch.sigmoid(torch.mul(z, BETA))), V)\n";
      case AURORA ->
          """
              f = torch.tanh(torch.linear(torch.tanh(z), H))
              d = torch.abs(torch.mul(torch.sub(torch.unsqueeze(z, 2), centres), %s))
              outer = torch.pow(torch.relu(torch.rsub(d, 2.)), 3)
              inner = torch.pow(torch.relu(torch.rsub(d, 1.)), 3)
              q = torch.mul(torch.sum(torch.sub(outer, inner, alpha=4.), [1]), %s)
              u = torch.add(f, torch.linear(q, SPLINE))
          """
              .formatted(number(1 / GRID.step()), number(1 / 6.0));
    };
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.17g", value);
  }
}
