package dev.borealis.cuda;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The machine code of a cubin, an ELF file with a section for each kernel. Instructions are 128
 * bits: the opcode is bits 0 to 11, the width of an access bits 73 to 75 (6: 128 bits). Routines
 * that the compiler adds, such as the slow path of a division, are symbols in the kernel's section.
 */
final class Cubin {
  private static final String CODE = ".text.";
  private static final String ROUTINE = "$__internal_";
  private static final int SYMBOL_TABLE = 2;
  private static final int SYMBOL_BYTES = 24;
  private static final int INSTRUCTION_BYTES = 16;
  private static final int WIDTH_128 = 6;

  /**
   * What a kernel's instructions are.
   *
   * @param instructions all of them
   * @param tensor tensor-core products (HMMA)
   * @param loads128 loads from global memory of 16 bytes a thread
   * @param stores128 stores to it
   * @param local accesses to local memory
   * @param atomics on global memory
   * @param shuffles between lanes
   * @param calls of all kinds
   * @param routines that the compiler added
   */
  record Counts(
      int instructions,
      int tensor,
      int loads128,
      int stores128,
      int local,
      int atomics,
      int shuffles,
      int calls,
      Set<String> routines) {}

  /** Where the build leaves what nvcc has made. */
  static final Path FOLDER = Path.of("target/cuda");

  private Cubin() {}

  /** Returns the file for an architecture, if nvcc was there to make one of these sources. */
  static Optional<Path> of(int architecture) throws IOException {
    if (!Files.exists(FOLDER.resolve("borealis.stamp"))) {
      return Optional.empty();
    }
    try (Stream<Path> list = Files.list(FOLDER)) {
      return list.filter(file -> file.toString().endsWith(".cubin"))
          .filter(file -> file.getFileName().toString().contains("compute_" + architecture + "."))
          .findFirst();
    }
  }

  static Map<String, Counts> read(Path file) throws IOException {
    ByteBuffer elf = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    long sections = elf.getLong(40);
    int size = elf.getShort(58);
    int count = elf.getShort(60);
    int names = (int) elf.getLong((int) sections + elf.getShort(62) * size + 24);
    Map<Integer, Set<String>> routines = new TreeMap<>();
    for (int i = 0; i < count; i++) {
      int section = (int) sections + i * size;
      if (elf.getInt(section + 4) == SYMBOL_TABLE) {
        int strings = (int) elf.getLong((int) sections + elf.getInt(section + 40) * size + 24);
        int start = (int) elf.getLong(section + 24);
        int end = start + (int) elf.getLong(section + 32);
        for (int symbol = start; symbol < end; symbol += SYMBOL_BYTES) {
          String name = text(elf, strings + elf.getInt(symbol));
          if (name.startsWith(ROUTINE)) {
            int of = elf.getShort(symbol + 6);
            routines.computeIfAbsent(of, key -> new TreeSet<>()).add(name);
          }
        }
      }
    }
    Map<String, Counts> kernels = new TreeMap<>();
    for (int i = 0; i < count; i++) {
      int section = (int) sections + i * size;
      String name = text(elf, names + elf.getInt(section));
      if (name.startsWith(CODE)) {
        int start = (int) elf.getLong(section + 24);
        int bytes = (int) elf.getLong(section + 32);
        kernels.put(
            name.substring(CODE.length()),
            count(elf.slice(start, bytes), routines.getOrDefault(i, Set.of())));
      }
    }
    return kernels;
  }

  private static String text(ByteBuffer elf, int start) {
    int end = start;
    while (elf.get(end) != 0) {
      end++;
    }
    byte[] bytes = new byte[end - start];
    elf.get(start, bytes);
    return new String(bytes, StandardCharsets.US_ASCII);
  }

  private static Counts count(ByteBuffer slice, Set<String> routines) {
    ByteBuffer code = slice.order(ByteOrder.LITTLE_ENDIAN);
    int tensor = 0;
    int loads = 0;
    int stores = 0;
    int local = 0;
    int atomics = 0;
    int shuffles = 0;
    int calls = 0;
    int instructions = code.capacity() / INSTRUCTION_BYTES;
    for (int i = 0; i < instructions; i++) {
      int opcode = (int) code.getLong(i * INSTRUCTION_BYTES) & 0xfff;
      boolean wide = (code.getLong(i * INSTRUCTION_BYTES + 8) >>> 9 & 7) == WIDTH_128;
      switch (opcode) {
        case 0x23c -> tensor++;
        // Of global memory: generic accesses (0x980, 0x985) have to find out of what memory they
        // are.
        case 0x981 -> loads += wide ? 1 : 0;
        case 0x986 -> stores += wide ? 1 : 0;
        case 0x983, 0x387, 0x987 -> local++;
        case 0x98a, 0x9a8, 0x98e -> atomics++;
        case 0x589, 0x989, 0xf89 -> shuffles++;
        case 0x944 -> calls++;
        default -> {}
      }
    }
    return new Counts(
        instructions, tensor, loads, stores, local, atomics, shuffles, calls, routines);
  }
}
